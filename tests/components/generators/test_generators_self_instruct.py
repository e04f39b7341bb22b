"""Self-Instruct: what is shown and asked, what becomes of answers of every kind, and what is refused beforehand."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from assay.components.filters.heuristics import Heuristics
from assay.components.generators.self_instruct import SelfInstruct
from assay.components.generators.task_calls import Pool
from assay.core.completions import Answer, Capabilities, Completion, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError, RecipeError
from assay.core.lab import Lab
from assay.core.recipe import Recipe
from assay.core.sample import Failure, Made, Sample
from assay.pipeline.cost import estimate_run
from assay.pipeline.plan import plan_run, recipe_stages
from assay.pipeline.stages.parts import parts
from assay.store.run_folder import RunFolder
from assay.store.shards import read_shard
from assay.text.instructions.dialogues import write_history
from assay.text.instructions.self_instruct_prompts import ExampleTask
from error_fields import raises
from fault_server import FaultServer
from labs import TASKS, FewTasks, Listening, TinyModels, real_lab, tiny_lab
from remote_parts import plant_keys
from run_parts import counts, folder_of, run

FEW = {"human": 2, "machine": 1, "language": "en"}


@dataclass
class Parrot:
    """Answers what it was told to, by kind of question; keeps what it was asked."""

    lists: Sequence[Any] = ()
    kinds: Sequence[Any] = ("No",)
    examples: Sequence[Any] = (" none\nOutput: Done.",)
    certain: bool = True
    asked: list[TextRequest] = field(default_factory=list)

    @property
    def means(self) -> Capabilities:
        return Capabilities(reproducible=self.certain)

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        self.asked += requests
        prompt = str(requests[0].prompt)
        said = self.examples
        if "assistant can do in writing" in prompt:
            said = self.lists
        elif "Sort these" in prompt:
            said = self.kinds
        return [self._one(said[nth % len(said)]) for nth, _ in enumerate(requests)]

    def _one(self, said: Any) -> Completion | NotCompleted:
        if isinstance(said, NotCompleted):
            return said
        text, end = said if isinstance(said, tuple) else (said, "stop")
        return Completion((Answer(text, end),))


@dataclass(frozen=True)
class Parrots(TinyModels):
    parrot: Parrot = field(default_factory=Parrot)

    def text_model(self, reference: str) -> Any:
        return self.parrot


def lab_of(parrot: Parrot, made: Sequence[Sample] = ()) -> Lab:
    return replace(tiny_lab(), models=Parrots(parrot), made=tuple(made))


def invent(count: int, per_call: int = 1, **more: Any) -> SelfInstruct:
    decoding = Decoding("sample", max_tokens=32 * per_call)
    return SelfInstruct(FewTasks(), count, per_call=per_call, decoding=decoding, **{**FEW, **more})


def made_by(parrot: Parrot, count: int = 1, per_call: int = 1, **more: Any) -> list[Made]:
    own = invent(count, per_call, **more)
    return list(own.generate(own.seeds(), lab_of(parrot)))


def rejected(made: Sequence[Made]) -> list[str]:
    return [f"failed: {one.reason}" if isinstance(one, Failure) else one.text("rejected") for one in made]


LISTED = " Name a wide river.\nTask 5: Sing\nTask 6: Explain how bread is made.\nTask 7: Name a wide, wide river."


def test_list_items_are_assigned_by_place_and_valid_ones_continue() -> None:
    parrot = Parrot([LISTED], kinds=["No", "Yes"], examples=[" none\nOutput: The Rhine.", " good\nInput: Fine bread."])
    made = made_by(parrot, 5, 5)
    assert rejected(made) == ["", "too-short", "", "not-novel", "list-ended"]
    first, short, third, like, ended = (one for one in made if isinstance(one, Sample))
    assert (first.text("instruction"), first.text("input"), first.text("output")) == (
        "Name a wide river.",
        "",
        "The Rhine.",
    )
    assert (first.text("classification"), third.text("classification")) == ("no", "yes")
    assert {one.text("language") for one in made if isinstance(one, Sample)} == {"en"}
    assert (short.text("instruction"), short.text("output"), short.text("classification")) == ("Sing", "", "")
    assert like.text("instruction") == "Name a wide, wide river."
    assert ended.text("instruction") == ""
    assert len(parrot.asked) == 1 + 2 + 2
    # The two kinds are asked in one batch, in words of their own.
    assert [str(one.prompt).rpartition("\n")[2] for one in parrot.asked[3:]] == ["Input:", "Class label:"]


def test_parents_are_the_seed_and_the_tasks_that_were_shown() -> None:
    own, parrot = invent(1), Parrot(["Name a wide river."])
    (made,) = own.generate(own.seeds(), lab_of(parrot))
    assert isinstance(made, Sample)
    known = {one.id: one.text("instruction") for one in FewTasks(("en",)).read(tiny_lab())}
    assert made.parents[0] == own.seeds()[0].id
    prompt = str(parrot.asked[0].prompt)
    assert [f"Task {nth}: {known[id_]}" in prompt for nth, id_ in enumerate(made.parents[1:], 1)] == [True] * 3


def test_earlier_rounds_are_shown_and_what_is_like_them_is_not_new() -> None:
    own = invent(2, per_round=1)
    (first,) = own.generate(own.seeds()[:1], lab_of(Parrot(["Name a wide river."])))
    assert isinstance(first, Sample)
    parrot = Parrot(["Name a wide, wide river."])
    (second,) = own.generate(own.seeds()[1:], lab_of(parrot, [first]))
    assert isinstance(second, Sample)
    assert first.id in second.parents
    assert "Name a wide river." in str(parrot.asked[0].prompt)
    assert second.text("rejected") == "not-novel"
    # People's tasks too.
    assert rejected(made_by(Parrot([TASKS["en"][0][0]]))) == ["not-novel"]
    assert rejected(made_by(Parrot([TASKS["en"][0][0]]), novelty=1.0)) == [""]


def test_instruction_with_a_rejected_instance_stays_in_the_pool() -> None:
    own = invent(5, 5, per_round=5)
    made = own.generate(own.seeds(), lab_of(Parrot([LISTED], examples=[("sky", "length"), "sky\nOutput: sky"])))
    assert rejected(made)[:3] == ["cut-off", "too-short", "output-is-input"]
    parrot = Parrot(["Name a narrow path now."])
    later = replace(own, machine=3, count=6)
    later.generate(later.seeds()[5:], lab_of(parrot, [one for one in made if isinstance(one, Sample)]))
    prompt = str(parrot.asked[0].prompt)
    assert "Name a wide river." in prompt
    assert "Explain how bread is made." in prompt
    assert "Sing\n" not in prompt
    assert "wide, wide" not in prompt


def test_calls_depend_on_their_number_and_the_pool_alone() -> None:
    lab = tiny_lab()
    own = SelfInstruct(FewTasks(), 24, "tiny:inventor", per_round=12, per_call=3, human=2, machine=1, decoding=LONG)
    longer = replace(own, count=30)
    assert longer.seeds()[:24] == own.seeds()
    half = list(own.generate(own.seeds()[:12], lab))
    pool = replace(lab, made=tuple(one for one in half if isinstance(one, Sample)))
    rest = list(own.generate(own.seeds()[12:], pool))
    assert list(longer.generate(longer.seeds()[12:], pool))[:12] == rest
    assert [own.generate([seed], pool)[0] for seed in own.seeds()[12:]] == rest
    other = list(own.generate(own.seeds()[12:], lab))
    assert other != rest
    assert len({one.text("instruction") for one in half if isinstance(one, Sample)}) > 4


LONG = Decoding("sample", max_tokens=96)


def test_rounds_hold_whole_calls() -> None:
    own = invent(20, 4, per_round=10)
    calls = [[len(call) for call in groups] for groups in own.rounds(own.seeds())]
    assert calls == [[4, 4, 2], [4, 4, 2]]
    assert [seed.text("call") for seed in own.seeds()[8:12]] == ["2", "2", "3", "3"]
    assert own.seeds()[10].text("place") == "0"


def test_languages_take_their_share_and_are_asked_in_their_own_words() -> None:
    heard = Listening()
    own = SelfInstruct(FewTasks(), 12, "tiny:inventor", human=2, machine=1)
    made = own.generate(own.seeds(), replace(tiny_lab(), models=heard))
    lists = [str(request.prompt) for _, request in heard.asked[:12]]
    korean = [text for text in lists if "과제 4:" in text]
    assert 0 < len(korean) < 12
    assert not any("poem" in text for text in korean)
    assert {one.text("language") for one in made if isinstance(one, Sample)} == {"en", "ko"}
    ko = replace(own, language="ko")
    found = [one for one in ko.generate(ko.seeds(), tiny_lab()) if isinstance(one, Sample)]
    assert {one.text("language") for one in found} == {"ko"}
    assert any(one.text("rejected") == "" for one in found)


GONE = NotCompleted("gone", "the server is down", tries=3)


@pytest.mark.parametrize(
    ("parrot", "said"),
    [
        (Parrot([GONE]), "failed: the server is down"),
        (Parrot([("", "filter")]), "failed: the answer is no text: filter"),
        (Parrot([("No.", "refusal")]), "failed: the answer is no text: refusal"),
        (Parrot([("", "empty")], certain=False), "failed: the answer is no text: empty"),
        (Parrot([("", "empty")]), "list-ended"),
        (Parrot([(" Name a wide", "length")]), "cut-off"),
        (Parrot([(" Name a wide river.\nand", "length")]), ""),
        (Parrot(["Name a wide river."], kinds=[GONE]), "failed: the server is down"),
        (Parrot(["Name a wide river."], kinds=[("", "empty")]), ""),
        (Parrot(["Name a wide river."], kinds=["Maybe so"]), ""),
        (Parrot(["Name a wide river."], examples=[GONE]), "failed: the server is down"),
        (Parrot(["Name a wide river."], examples=[("", "empty")]), "unreadable"),
        (Parrot(["Name a wide river."], examples=["I cannot."]), "unreadable"),
        (Parrot(["Name a wide river."], examples=[("I would", "length")]), "cut-off"),
        (Parrot(["Name a wide river."], examples=[(" x\nOutput: The Rh", "length")]), "cut-off"),
        (Parrot(["Name a wide river."], examples=[(" x\nOutput: It.\n\nTask: On", "length")]), ""),
        (Parrot(["Name a wide river."], examples=[" x\nOutput: x"]), "output-is-input"),
        (Parrot(["Name a wide river."], examples=[" x\nOutput:"]), "no-output"),
        (Parrot(["Name a wide river."], examples=[" x\nOutput: Here:"]), "ends-with-a-colon"),
    ],
    ids=lambda one: str(getattr(one, "lists", one)),
)
def test_retryable_errors_are_failures(parrot: Parrot, said: str) -> None:
    assert rejected(made_by(parrot)) == [said]


def test_no_answer_is_no_classification() -> None:
    for said, kind in (
        ("Yes, it is.", "yes"),
        ("No", "no"),
        ("예", "yes"),
        ("아니요.", "no"),
        ("", "no"),
        ("Perhaps", "no"),
    ):
        (made,) = made_by(Parrot(["Name a wide river."], kinds=[said]))
        assert isinstance(made, Sample)
        assert made.text("classification") == kind


@pytest.mark.parametrize("lack", ["budget", "key", "model"])
def test_fatal_errors_end_the_run(lack: Any) -> None:
    with raises(ModelError, lack=lack, reason="There is no more."):
        made_by(Parrot([NotCompleted(lack, "There is no more.")]))


def test_examples_of_sorting_and_solving_are_the_same_in_all_calls() -> None:
    parrot = Parrot(["Name a wide river."])
    own = invent(3, yes=1, no=2, shots=1)
    own.generate(own.seeds(), lab_of(parrot))
    sorts = {str(one.prompt) for one in parrot.asked if "Sort these" in str(one.prompt)}
    assert len(sorts) == 1
    assert next(iter(sorts)).count("Is it a classification task? Yes\n") == 1
    assert next(iter(sorts)).count("Is it a classification task? No\n") == 2
    assert {one.decoding.strategy for one in parrot.asked[:3]} == {"sample"}
    assert len({one.decoding.seed for one in parrot.asked[:3]}) == 3


def test_pool_contains_only_novel_tasks() -> None:
    tasks = [ExampleTask(str(nth), text) for nth, text in enumerate(("Name a wide river.", "Sing a song of spring."))]
    made = [ExampleTask("2", "Name a wide, wide river."), ExampleTask("3", "Explain how bread is made.")]
    pool = Pool(tasks, made, 0.7)
    new = "Count all the bridges in town."
    for _ in range(2):
        assert pool.broken_rules([new, new, "Explain how the bread is made."]) == ["", "not-novel", "not-novel"]
    shown = pool.sample(tasks, 1, 2, random.Random(0))
    assert sorted(one.id for one in shown) == ["0", "1", "3"]  # one was made and is new, so people's fill its place


@dataclass(frozen=True)
class Named(FewTasks):
    """Tasks with a file behind them, as far as a listing goes."""

    said: str = "one"

    def listing(self) -> str:
        return self.said


def test_another_file_of_tasks_is_another_stage() -> None:
    specs = [dict(recipe_stages(Recipe("r", invent(1)))[0].spec)]
    for said in ("one", "two"):
        own = replace(invent(1), tasks=Named(said=said))
        assert own.listing() == said
        specs.append({**recipe_stages(Recipe("r", own))[0].spec, "tasks": ""})
    assert specs[1] != specs[2]
    assert specs[0]["listing"] == ""


@dataclass(frozen=True)
class Bare:
    """Tasks with just those fields."""

    fields: Mapping[str, str]
    many: int = 9

    def read(self, lab: Lab) -> Sequence[Sample]:
        return [Sample(dict(self.fields), nth=nth) for nth in range(self.many)]


@pytest.mark.full
def test_tasks_that_are_too_few_are_named_before_anything_is_made(tmp_path: Path) -> None:
    with raises(RecipeError, language="en", languages=("en", "ko"), needed=8, tasks=5):
        run(Recipe("few", SelfInstruct(FewTasks(), 3)), tmp_path / "run")
    assert {path.name for path in (tmp_path / "run").iterdir()} <= {".assay-run", ".assay-run.lock"}
    with raises(RecipeError, language="fr", tasks=0):
        SelfInstruct(FewTasks(), 3, language="fr").check([], tiny_lab())
    with raises(RecipeError, name="SelfInstruct.tasks", tasks=0):
        SelfInstruct(FewTasks(()), 3).check([], tiny_lab())
    with raises(RecipeError, language="", tasks=7):
        SelfInstruct(Bare({"instruction": "Sing.", "output": "La."}, 7), 3).check([], tiny_lab())
    SelfInstruct(Bare({"instruction": "Sing.", "output": "La."}), 3).check([], tiny_lab())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, r"SelfInstruct.count .*\b1\b.*\b0\b"),
        ({"per_round": 0}, r"SelfInstruct.per_round .*\b1\b.*\b0\b"),
        ({"per_call": 0}, r"SelfInstruct.per_call .*\b1\b.*\b0\b"),
        ({"human": 0}, r"SelfInstruct.human .*\b1\b.*\b0\b"),
        ({"machine": -1}, r"SelfInstruct.machine .*\b0\b.*\-1\b"),
        ({"yes": -1}, r"SelfInstruct.yes .*\b0\b.*\-1\b"),
        ({"no": -1}, r"SelfInstruct.no .*\b0\b.*\-1\b"),
        ({"shots": -1}, r"SelfInstruct.shots .*\b0\b.*\-1\b"),
        ({"novelty": 0.0}, r"SelfInstruct.novelty .*\b0\b.*\b1\b.*\b0.0\b"),
        ({"novelty": float("nan")}, r"SelfInstruct.novelty .*\b0\b.*\b1\b.*\bnan\b"),
        ({"layout": "plian"}, r"SelfInstruct.layout .*\bplain, chat.*'plian'.*plain"),
        ({"solving_layout": "chats"}, r"SelfInstruct.solving_layout .*\bplain, chat.*'chats'"),
        ({"language": ""}, r"SelfInstruct\.language\b"),
        ({"decoding": Decoding("sample", answers=2)}, r"SelfInstruct.decoding .*\b2\b"),
        ({"solving": Decoding("sample", answers=2)}, r"SelfInstruct.solving .*\b2\b"),
        ({"per_call": 8}, r"decoding\.max_tokens .*\b256\b.*\b8\b.*\b64\b"),
    ],
    ids=str,
)
def test_mistakes_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SelfInstruct(**{"tasks": FewTasks(), "count": 1, **wrong})


def served(text: str) -> str:
    """As a chat model answers: with a preface, in Markdown, and more than it was asked for."""
    if "assistant can do in writing" in text:
        digest = hashlib.sha256(text.encode()).hexdigest()
        words = " ".join(digest[start : start + 4] for start in range(0, 16, 4))
        tasks = (f"Name {words}.", "Draw a cat on a mat.", f"Explain {words[::-1]}.")
        return "Sure!\n\n" + "\n".join(f"**Task {at}:** {task}" for at, task in enumerate(tasks, 4))
    if text.endswith("Is it a classification task?"):
        return "Yes." if "Explain" in text else "No, it is not."
    if "Explain" in text:
        return "**Class label:** easy\n**Input:** One is one.\n\n**Class label:** hard"
    return "Here is an example:\n\nInput: none\nOutput: The Rhine and the Danube."


def test_service_requests_match_the_plan_and_failures_are_retried(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A real server on loopback: it is down for some questions at first, and nothing is paid twice."""
    pytest.importorskip("any_llm")
    plant_keys(monkeypatch)
    chat: dict[str, Any] = {"layout": "chat", "solving_layout": "chat", "per_round": 6}
    own = replace(invent(12, 3, **chat), model="openai:gpt-4o-mini")
    what = Recipe("served", own, keep=(Heuristics(),))
    down = {"broken": True}

    def script(text: str, nth: int) -> str | None:
        return "400" if down["broken"] and text.startswith("Task: Name") else None

    with FaultServer(script, say=served) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.base}/v1")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        folder = RunFolder.open(tmp_path / "run", create=True)
        (planned,) = estimate_run(what, plan_run(what, folder.path))
        assert not server.received
        run(what, tmp_path / "run")
        assert counts(tmp_path / "run", "generate")["failed"] == 4
        first = len(server.received)
        assert planned.estimate is not None
        assert first <= planned.estimate.askings == 4 + 12 + 12
        assert sum(len(str(one.body["messages"])) for one in server.received) / 4 < planned.estimate.prompt_tokens * 1.1
        down["broken"] = False
        run(what, tmp_path / "run")
        again = [one.text for one in server.received[first:]]
    assert counts(tmp_path / "run", "generate") == {"requested": 12, "made": 12, "failed": 0, "fresh": 4}
    made = [row for path in parts(folder_of(tmp_path / "run", "generate")) for row in read_shard(path)]
    assert rejected(made) == ["", "beyond-text", ""] * 4
    assert [one.text("classification") for one in made if isinstance(one, Sample)] == ["no", "", "yes"] * 4
    assert isinstance(made[0], Sample)
    assert isinstance(made[2], Sample)
    assert (made[0].text("input"), made[0].text("output")) == ("", "The Rhine and the Danube.")
    assert (made[2].text("input"), made[2].text("output")) == ("One is one.", "easy")
    assert sum("assistant can do in writing" in text for text in again) <= 2  # those of round two see a larger pool


@pytest.mark.full
def test_the_embedded_model_writes_tasks_and_a_filter_says_why_others_go(tmp_path: Path) -> None:
    own = SelfInstruct(
        FewTasks(), 6, per_round=3, human=3, machine=2, yes=1, no=1, shots=1, solving=Decoding(max_tokens=32)
    )
    run(Recipe("tasks", own, keep=(Heuristics(),)), tmp_path / "run")
    assert counts(tmp_path / "run", "generate")["made"] == 6
    seeds = own.seeds()[:3]
    lab = real_lab()
    whole = own.generate(seeds, lab)
    assert [own.generate([seed], lab)[0] for seed in reversed(seeds)][::-1] == list(whole)


@dataclass(frozen=True)
class Dialogues(FewTasks):
    def read(self, lab: Lab) -> Sequence[Sample]:
        said = write_history((Message("user", "Hi."), Message("assistant", "Hello.")))
        return [Sample({**one.fields, "history": said}) for one in super().read(lab)]


def test_dialogue_tasks_are_rejected_as_examples() -> None:
    with pytest.raises(RecipeError, match="continues a dialogue"):
        SelfInstruct(Dialogues(), 3).check([], tiny_lab())
