"""SelfInstruct: examples and requests, parsing of answers, and errors."""

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
    """Gives prepared answers by kind of question, and records its requests."""

    lists: Sequence[Any] = ()
    kinds: Sequence[Any] = ("No",)
    examples: Sequence[Any] = (" none\nOutput: Done.",)
    certain: bool = True
    requests: list[TextRequest] = field(default_factory=list)

    @property
    def means(self) -> Capabilities:
        return Capabilities(reproducible=self.certain)

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion | NotCompleted]:
        self.requests += requests
        prompt = str(requests[0].prompt)
        answers = self.examples
        if "assistant can do in writing" in prompt:
            answers = self.lists
        elif "Sort these" in prompt:
            answers = self.kinds
        return [self._completion(answers[nth % len(answers)]) for nth, _ in enumerate(requests)]

    def _completion(self, answer: Any) -> Completion | NotCompleted:
        if isinstance(answer, NotCompleted):
            return answer
        text, end = answer if isinstance(answer, tuple) else (answer, "stop")
        return Completion((Answer(text, end),))


@dataclass(frozen=True)
class Parrots(TinyModels):
    parrot: Parrot = field(default_factory=Parrot)

    def text_model(self, reference: str) -> Any:
        return self.parrot


def lab_of(parrot: Parrot, generated: Sequence[Sample] = ()) -> Lab:
    return replace(tiny_lab(), models=Parrots(parrot), made=tuple(generated))


def invent(count: int, per_call: int = 1, **more: Any) -> SelfInstruct:
    decoding = Decoding("sample", max_tokens=32 * per_call)
    return SelfInstruct(FewTasks(), count, per_call=per_call, decoding=decoding, **{**FEW, **more})


def generate(parrot: Parrot, count: int = 1, per_call: int = 1, **more: Any) -> list[Made]:
    component = invent(count, per_call, **more)
    return list(component.generate(component.seeds(), lab_of(parrot)))


def rejections(samples: Sequence[Made]) -> list[str]:
    return [
        f"failed: {sample.reason}" if isinstance(sample, Failure) else sample.text("rejected") for sample in samples
    ]


LISTED = " Name a wide river.\nTask 5: Sing\nTask 6: Explain how bread is made.\nTask 7: Name a wide, wide river."


def test_list_items_are_assigned_by_place_and_valid_ones_continue() -> None:
    parrot = Parrot([LISTED], kinds=["No", "Yes"], examples=[" none\nOutput: The Rhine.", " good\nInput: Fine bread."])
    samples = generate(parrot, 5, 5)
    assert rejections(samples) == ["", "too-short", "", "not-novel", "list-ended"]
    first, short, third, like, ended = (sample for sample in samples if isinstance(sample, Sample))
    assert (first.text("instruction"), first.text("input"), first.text("output")) == (
        "Name a wide river.",
        "",
        "The Rhine.",
    )
    assert (first.text("classification"), third.text("classification")) == ("no", "yes")
    assert {sample.text("language") for sample in samples if isinstance(sample, Sample)} == {"en"}
    assert (short.text("instruction"), short.text("output"), short.text("classification")) == ("Sing", "", "")
    assert like.text("instruction") == "Name a wide, wide river."
    assert ended.text("instruction") == ""
    assert len(parrot.requests) == 1 + 2 + 2
    # The two kinds are asked in one batch, in words of their own.
    assert [str(request.prompt).rpartition("\n")[2] for request in parrot.requests[3:]] == ["Input:", "Class label:"]


def test_parents_are_the_seed_and_the_examples() -> None:
    component, parrot = invent(1), Parrot(["Name a wide river."])
    (sample,) = component.generate(component.seeds(), lab_of(parrot))
    assert isinstance(sample, Sample)
    instructions = {task.id: task.text("instruction") for task in FewTasks(("en",)).read(tiny_lab())}
    assert sample.parents[0] == component.seeds()[0].id
    prompt = str(parrot.requests[0].prompt)
    assert [f"Task {nth}: {instructions[id_]}" in prompt for nth, id_ in enumerate(sample.parents[1:], 1)] == [True] * 3


def test_earlier_rounds_are_examples_and_novelty_references() -> None:
    component = invent(2, per_round=1)
    (first,) = component.generate(component.seeds()[:1], lab_of(Parrot(["Name a wide river."])))
    assert isinstance(first, Sample)
    parrot = Parrot(["Name a wide, wide river."])
    (second,) = component.generate(component.seeds()[1:], lab_of(parrot, [first]))
    assert isinstance(second, Sample)
    assert first.id in second.parents
    assert "Name a wide river." in str(parrot.requests[0].prompt)
    assert second.text("rejected") == "not-novel"
    # People's tasks too.
    assert rejections(generate(Parrot([TASKS["en"][0][0]]))) == ["not-novel"]
    assert rejections(generate(Parrot([TASKS["en"][0][0]]), novelty=1.0)) == [""]


def test_instruction_with_a_rejected_instance_stays_in_the_pool() -> None:
    component = invent(5, 5, per_round=5)
    lab = lab_of(Parrot([LISTED], examples=[("sky", "length"), "sky\nOutput: sky"]))
    samples = component.generate(component.seeds(), lab)
    assert rejections(samples)[:3] == ["cut-off", "too-short", "output-is-input"]
    parrot = Parrot(["Name a narrow path now."])
    later = replace(component, machine=3, count=6)
    later.generate(later.seeds()[5:], lab_of(parrot, [sample for sample in samples if isinstance(sample, Sample)]))
    prompt = str(parrot.requests[0].prompt)
    assert "Name a wide river." in prompt
    assert "Explain how bread is made." in prompt
    assert "Sing\n" not in prompt
    assert "wide, wide" not in prompt


def test_calls_depend_on_their_number_and_the_pool_only() -> None:
    lab = tiny_lab()
    component = SelfInstruct(
        FewTasks(), 24, "tiny:inventor", per_round=12, per_call=3, human=2, machine=1, decoding=LONG
    )
    longer = replace(component, count=30)
    assert longer.seeds()[:24] == component.seeds()
    half = list(component.generate(component.seeds()[:12], lab))
    pool = replace(lab, made=tuple(sample for sample in half if isinstance(sample, Sample)))
    rest = list(component.generate(component.seeds()[12:], pool))
    assert list(longer.generate(longer.seeds()[12:], pool))[:12] == rest
    assert [component.generate([seed], pool)[0] for seed in component.seeds()[12:]] == rest
    other = list(component.generate(component.seeds()[12:], lab))
    assert other != rest
    assert len({sample.text("instruction") for sample in half if isinstance(sample, Sample)}) > 4


LONG = Decoding("sample", max_tokens=96)


def test_rounds_hold_whole_calls() -> None:
    component = invent(20, 4, per_round=10)
    calls = [[len(call) for call in groups] for groups in component.rounds(component.seeds())]
    assert calls == [[4, 4, 2], [4, 4, 2]]
    assert [seed.text("call") for seed in component.seeds()[8:12]] == ["2", "2", "3", "3"]
    assert component.seeds()[10].text("place") == "0"


def test_languages_are_sampled_and_prompted_in_their_wording() -> None:
    heard = Listening()
    component = SelfInstruct(FewTasks(), 12, "tiny:inventor", human=2, machine=1)
    samples = component.generate(component.seeds(), replace(tiny_lab(), models=heard))
    lists = [str(request.prompt) for _, request in heard.asked[:12]]
    korean = [text for text in lists if "과제 4:" in text]
    assert 0 < len(korean) < 12
    assert not any("poem" in text for text in korean)
    assert {sample.text("language") for sample in samples if isinstance(sample, Sample)} == {"en", "ko"}
    ko = replace(component, language="ko")
    korean_samples = [sample for sample in ko.generate(ko.seeds(), tiny_lab()) if isinstance(sample, Sample)]
    assert {sample.text("language") for sample in korean_samples} == {"ko"}
    assert any(sample.text("rejected") == "" for sample in korean_samples)


GONE = NotCompleted("gone", "the server is down", tries=3)


@pytest.mark.parametrize(
    ("parrot", "expected"),
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
    ids=lambda value: str(getattr(value, "lists", value)),
)
def test_retryable_errors_are_failures(parrot: Parrot, expected: str) -> None:
    assert rejections(generate(parrot)) == [expected]


def test_classification_is_parsed_and_defaults_to_no() -> None:
    for answer, kind in (
        ("Yes, it is.", "yes"),
        ("No", "no"),
        ("예", "yes"),
        ("아니요.", "no"),
        ("", "no"),
        ("Perhaps", "no"),
    ):
        (sample,) = generate(Parrot(["Name a wide river."], kinds=[answer]))
        assert isinstance(sample, Sample)
        assert sample.text("classification") == kind


@pytest.mark.parametrize("lack", ["budget", "key", "model"])
def test_fatal_errors_end_the_run(lack: Any) -> None:
    with raises(ModelError, lack=lack, reason="There is no more."):
        generate(Parrot([NotCompleted(lack, "There is no more.")]))


def test_examples_of_sorting_and_solving_are_the_same_in_all_calls() -> None:
    parrot = Parrot(["Name a wide river."])
    component = invent(3, yes=1, no=2, shots=1)
    component.generate(component.seeds(), lab_of(parrot))
    sorts = {str(request.prompt) for request in parrot.requests if "Sort these" in str(request.prompt)}
    assert len(sorts) == 1
    assert next(iter(sorts)).count("Is it a classification task? Yes\n") == 1
    assert next(iter(sorts)).count("Is it a classification task? No\n") == 2
    assert {request.decoding.strategy for request in parrot.requests[:3]} == {"sample"}
    assert len({request.decoding.seed for request in parrot.requests[:3]}) == 3


def test_pool_contains_only_novel_tasks() -> None:
    tasks = [ExampleTask(str(nth), text) for nth, text in enumerate(("Name a wide river.", "Sing a song of spring."))]
    generated = [ExampleTask("2", "Name a wide, wide river."), ExampleTask("3", "Explain how bread is made.")]
    pool = Pool(tasks, generated, 0.7)
    new = "Count all the bridges in town."
    for _ in range(2):
        assert pool.broken_rules([new, new, "Explain how the bread is made."]) == ["", "not-novel", "not-novel"]
    examples = pool.sample(tasks, 1, 2, random.Random(0))
    assert sorted(task.id for task in examples) == ["0", "1", "3"]  # one generated task is novel; human ones fill up


@dataclass(frozen=True)
class Named(FewTasks):
    """Tasks with the digest of a file."""

    digest: str = "one"

    def listing(self) -> str:
        return self.digest


def test_changed_tasks_change_the_stage() -> None:
    specs = [dict(recipe_stages(Recipe("r", invent(1)))[0].spec)]
    for digest in ("one", "two"):
        component = replace(invent(1), tasks=Named(digest=digest))
        assert component.listing() == digest
        specs.append({**recipe_stages(Recipe("r", component))[0].spec, "tasks": ""})
    assert specs[1] != specs[2]
    assert specs[0]["listing"] == ""


@dataclass(frozen=True)
class Bare:
    """Equal tasks with the given fields."""

    fields: Mapping[str, str]
    many: int = 9

    def read(self, lab: Lab) -> Sequence[Sample]:
        return [Sample(dict(self.fields), nth=nth) for nth in range(self.many)]


@pytest.mark.full
def test_too_few_tasks_raise_before_generation(tmp_path: Path) -> None:
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
def test_invalid_arguments_raise(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SelfInstruct(**{"tasks": FewTasks(), "count": 1, **wrong})


def served(text: str) -> str:
    """Answer of a chat model: with a preface, in Markdown, and with extra items."""
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
    """A server on loopback fails for some requests at first; the second run repeats only those."""
    pytest.importorskip("any_llm")
    plant_keys(monkeypatch)
    chat: dict[str, Any] = {"layout": "chat", "solving_layout": "chat", "per_round": 6}
    component = replace(invent(12, 3, **chat), model="openai:gpt-4o-mini")
    recipe = Recipe("served", component, keep=(Heuristics(),))
    down = {"broken": True}

    def script(text: str, nth: int) -> str | None:
        return "400" if down["broken"] and text.startswith("Task: Name") else None

    with FaultServer(script, say=served) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{server.base}/v1")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        folder = RunFolder.open(tmp_path / "run", create=True)
        (planned,) = estimate_run(recipe, plan_run(recipe, folder.path))
        assert not server.received
        run(recipe, tmp_path / "run")
        assert counts(tmp_path / "run", "generate")["failed"] == 4
        first = len(server.received)
        assert planned.estimate is not None
        assert first <= planned.estimate.askings == 4 + 12 + 12
        characters = sum(len(str(request.body["messages"])) for request in server.received)
        assert characters / 4 < planned.estimate.prompt_tokens * 1.1
        down["broken"] = False
        run(recipe, tmp_path / "run")
        again = [request.text for request in server.received[first:]]
    assert counts(tmp_path / "run", "generate") == {"requested": 12, "made": 12, "failed": 0, "fresh": 4}
    rows = [row for path in parts(folder_of(tmp_path / "run", "generate")) for row in read_shard(path)]
    assert rejections(rows) == ["", "beyond-text", ""] * 4
    assert [sample.text("classification") for sample in rows if isinstance(sample, Sample)] == ["no", "", "yes"] * 4
    assert isinstance(rows[0], Sample)
    assert isinstance(rows[2], Sample)
    assert (rows[0].text("input"), rows[0].text("output")) == ("", "The Rhine and the Danube.")
    assert (rows[2].text("input"), rows[2].text("output")) == ("One is one.", "easy")
    assert sum("assistant can do in writing" in text for text in again) <= 2  # those of round two see a larger pool


@pytest.mark.full
def test_run_with_the_embedded_model(tmp_path: Path) -> None:
    component = SelfInstruct(
        FewTasks(), 6, per_round=3, human=3, machine=2, yes=1, no=1, shots=1, solving=Decoding(max_tokens=32)
    )
    run(Recipe("tasks", component, keep=(Heuristics(),)), tmp_path / "run")
    assert counts(tmp_path / "run", "generate")["made"] == 6
    seeds = component.seeds()[:3]
    lab = real_lab()
    whole = component.generate(seeds, lab)
    assert [component.generate([seed], lab)[0] for seed in reversed(seeds)][::-1] == list(whole)


@dataclass(frozen=True)
class Dialogues(FewTasks):
    def read(self, lab: Lab) -> Sequence[Sample]:
        history = write_history((Message("user", "Hi."), Message("assistant", "Hello.")))
        return [Sample({**sample.fields, "history": history}) for sample in super().read(lab)]


def test_dialogue_tasks_are_rejected_as_examples() -> None:
    with pytest.raises(RecipeError, match=r"SelfInstruct\b.*\bhistory\b"):
        SelfInstruct(Dialogues(), 3).check([], tiny_lab())
