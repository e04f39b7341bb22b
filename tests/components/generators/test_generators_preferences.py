"""Preferences: answers, rankings, verdicts, and errors."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.filters.clear_preference import ClearPreference
from assay.components.generators.preference_calls import Answerer, CandidateAnswer, best_and_worst, distinct_answers
from assay.components.generators.preferences import Preferences
from assay.components.scorers.contamination.rouge_novelty import RougeNovelty
from assay.components.scorers.language_model.pair_judge import PairJudge
from assay.components.scorers.reference.metrics import EmbeddingCosine, Rouge
from assay.core.decoding import Decoding
from assay.core.errors import FieldError, ModelError, RecipeError, UserError
from assay.core.recipe import Recipe
from assay.core.sample import Failure, Made, Sample
from assay.engines.local import Local
from assay.pipeline.cost import estimate_run
from assay.pipeline.plan import plan_run
from assay.pipeline.progress import SilentReporter
from assay.pipeline.recipe.spec import build, describe
from assay.pipeline.runner import Runner
from assay.pipeline.stages.generate import plan_shards
from assay.store.run_folder import RunFolder
from assay.text.instructions.dialogues import history_messages
from assay.text.prompting.rankings import FIELDS, Ranking, pointwise, read_rankings
from error_fields import raises
from labs import FewTasks
from preference_parts import SAMPLING, Likes, Prompts, Voices, Words, shown, voice_lab, voices
from run_parts import counts

ONE = Prompts((("Name a fruit.", ""),))


def generate(component: Preferences, **lab: Any) -> list[Made]:
    return list(component.generate(component.seeds(), voice_lab(**lab)))


def only_pair(component: Preferences) -> tuple[str, str, str]:
    (pair,) = generate(component)
    return shown(pair)


def test_preferred_answer_is_chosen() -> None:
    for words in (("a pear", "a ripe green pear"), ("a ripe green pear", "a pear")):
        (pair,) = generate(Preferences(ONE, voices(*words), {"words": Words()}))
        assert shown(pair) == ("", "a ripe green pear", "a pear")
        assert isinstance(pair, Sample)
        assert pair.text("margin") == "2"
        assert pair.text("chosen_from") == "ab"[words.index("a ripe green pear")]
        assert pair.text("ranked_by") == "words"
        assert json.loads(pair.text("rankings")) == {"words": {"chosen": 4, "rejected": 2, "prefers": "chosen"}}
        assert set(FIELDS) <= pair.fields.keys()
        assert (pair.text("instruction"), pair.text("output"), pair.made_by) == (
            "Name a fruit.",
            "a pear",
            "Preferences",
        )


def test_scale_of_the_ranker_sets_the_direction() -> None:
    lower = Preferences(ONE, voices("one two", "one"), {"words": Words("lower")})
    assert only_pair(lower) == ("", "one", "one two")
    assert generate(lower)[0].text("margin") == "1"  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="neither"):
        replace(lower, rank={"words": Words("neither")})


def test_small_difference_is_a_tie() -> None:
    near = Preferences(ONE, voices("one two three", "one"), {"words": Words()}, min_difference={"words": 2.5})
    assert only_pair(near) == ("tie", "one two three", "one")
    assert only_pair(replace(near, min_difference={"words": 2.0}))[0] == ""
    assert only_pair(Preferences(ONE, voices("one two", "two one"), {"words": Words()}))[0] == "tie"


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        (("same", " same"), "equal"),
        (("one", "empty"), "missing"),
        (("one", "no"), "missing"),
        (("one", "down"), "missing"),
        (("empty", "no"), "missing"),
    ],
)
def test_incomparable_pairs_get_a_verdict(words: tuple[str, str], verdict: str) -> None:
    for pairs in ("best-worst", "all"):
        (pair,) = generate(Preferences(ONE, voices(*words), {"words": Words()}, {"judge": Likes("one")}, pairs=pairs))  # type: ignore[arg-type]
        assert shown(pair)[0] == verdict
        assert isinstance(pair, Sample)
        assert pair.text("rankings") == pair.text("ranked_by") == pair.text("margin") == ""


def test_connection_errors_are_retried() -> None:
    (lost,) = generate(Preferences(ONE, voices("down", "down"), {"words": Words()}))
    assert isinstance(lost, Failure)
    assert lost.reason == "the server is down"
    with raises(ModelError, lack="budget") as caught:
        generate(Preferences(ONE, voices("one", "broke"), {"words": Words()}))
    assert "larger budget" in caught.value.hint


def test_blank_prompt_gets_a_verdict_and_no_request() -> None:
    lab = voice_lab()
    component = Preferences(Prompts((("  ", ""), ("Name one.", ""))), voices("a", "b c"), {"words": Words()})
    pairs = component.generate(component.seeds(), lab)
    assert [shown(pair)[0] for pair in pairs] == ["blank", ""]
    assert isinstance(lab.models, Voices)
    assert len(lab.models.asked) == 2
    requests = component.asks(component.seeds(), lab)
    assert sum(map(len, requests.values())) == 2


def test_agreement_of_all_or_a_majority() -> None:
    words = voices("one pear", "one two plum")
    for judges, everybody, most in (
        ({"x": Likes("pear")}, "conflict", "conflict"),
        ({"x": Likes("plum")}, "", ""),
        ({"x": Likes("fig")}, "tie", "tie"),
        ({"x": Likes("plum"), "y": Likes("pear")}, "conflict", ""),
        ({"x": Likes("plum"), "y": Likes("fig")}, "tie", ""),
        ({"x": Likes("plum"), "y": Likes("fig", torn=True)}, "conflict", ""),
        ({"x": Likes("fig", mute=True)}, "", ""),
    ):
        component = Preferences(ONE, words, {"words": Words()}, judges)
        assert only_pair(component)[0] == everybody
        assert only_pair(replace(component, agree="majority"))[0] == most


def test_position_inconsistency_is_a_conflict() -> None:
    assert only_pair(Preferences(ONE, voices("one", "two"), {}, {"judge": Likes("", torn=True)}))[0] == "conflict"
    real = Preferences(ONE, voices("one", "two"), {}, {"judge": PairJudge("tiny:judge")})
    (pair,) = generate(real)  # equally long: that judge takes the first place
    assert shown(pair)[0] == "conflict"
    assert isinstance(pair, Sample)
    assert json.loads(pair.text("rankings"))["judge"]["orders"] == [1, 0]


def test_unranked_pairs_and_retries() -> None:
    mute = Words(mute="two", cause="unparsed")
    assert only_pair(Preferences(ONE, voices("one", "two"), {"words": mute}))[0] == "unranked"
    (lost,) = generate(Preferences(ONE, voices("one", "two"), {"words": replace(mute, cause="failed")}))
    assert isinstance(lost, Failure)
    assert lost.reason.endswith(": it is down")
    (pair,) = generate(Preferences(ONE, voices("one", "two"), {"words": mute}, {"judge": Likes("two")}))
    assert shown(pair) == ("", "two", "one")
    assert isinstance(pair, Sample)
    assert pair.text("ranked_by") == "judge"
    assert json.loads(pair.text("rankings"))["words"]["why"].startswith("unparsed: ")


def test_margin_of_one_or_several_rankers() -> None:
    several = Preferences(ONE, voices("one plum", "one two plum"), {"words": Words()}, {"judge": Likes("two")})
    assert generate(several)[0].text("margin") == "1"  # type: ignore[union-attr]
    three = replace(several, judges={"x": Likes("two"), "y": Likes("fig")}, agree="majority")
    assert generate(three)[0].text("margin") == "0.666667"  # type: ignore[union-attr]
    assert generate(replace(three, margin_by="words"))[0].text("margin") == "1"  # type: ignore[union-attr]
    assert generate(replace(three, margin_by="y"))[0].text("margin") == "0"  # type: ignore[union-attr]


def test_all_pairs_and_best_worst() -> None:
    words = voices("1 2 3", "1", "1 2 3 4", "1 2")
    every = Preferences(ONE, words, {"words": Words()}, pairs="all")
    pairs = generate(every)
    assert len(pairs) == 6
    assert {shown(pair)[1:] for pair in pairs} == {
        ("1 2 3", "1"),
        ("1 2 3 4", "1 2 3"),
        ("1 2 3", "1 2"),
        ("1 2 3 4", "1"),
        ("1 2", "1"),
        ("1 2 3 4", "1 2"),
    }
    assert only_pair(replace(every, pairs="best-worst")) == ("", "1 2 3 4", "1")
    failing = voices("1 2 3", "empty", "1 2 3", "down", "1 2")
    assert only_pair(Preferences(ONE, failing, {"words": Words()})) == ("", "1 2 3", "1 2")
    assert [shown(pair)[0] for pair in generate(replace(every, answerers=failing))].count("") == 2


def test_seeds_do_not_depend_on_the_order_of_answerers() -> None:
    component = Preferences(Prompts(), {"x": Answerer("says:any", SAMPLING)}, {"words": Words()}, answers=3)
    lab = voice_lab()
    component.generate(component.seeds(), lab)
    assert isinstance(lab.models, Voices)
    seeds = [request.decoding.seed for _, request in lab.models.asked]
    assert len(set(seeds)) == 6
    twice = Prompts((("Name one.", ""), ("Name one.", "")))
    pairs = generate(replace(component, prompts=twice, judges={"y": Likes("9")}, rank={}))
    assert len({pair.text("chosen") for pair in pairs if isinstance(pair, Sample)}) == 2  # asked anew, not copied
    two = {"x": Answerer("says:any", SAMPLING), "y": Answerer("says:any", SAMPLING)}
    reverse = dict(reversed(two.items()))
    first, second = (generate(Preferences(ONE, answerers, {"words": Words()})) for answerers in (two, reverse))
    assert first == second
    assert generate(component, seed=8) != generate(component)


def test_answerers_get_their_system_message_and_the_dialogue() -> None:
    history = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    prompts = Prompts((("Name a fruit.", "Be brief."),), json.dumps(history))
    polite = Answerer("says:b c", SAMPLING, "Be kind.")
    component = Preferences(prompts, {"a": Answerer("says:a", SAMPLING), "b": polite}, {}, {"judge": Seeing()})
    lab = voice_lab()
    (pair,) = component.generate(component.seeds(), lab)
    assert shown(pair) == ("", "b c", "a")
    assert isinstance(lab.models, Voices)
    turns = {model: request.prompt for model, request in lab.models.asked}
    texts = [message.text for message in turns["says:b c"]]  # type: ignore[union-attr]
    assert texts == ["Be kind.", "Hi.", "Hello.", "Name a fruit.\n\nBe brief."]
    assert turns["says:a"][0].text == "Hi."  # type: ignore[union-attr]
    assert isinstance(pair, Sample)
    assert pair.text("input") == "Be brief."
    assert pair.text("history") == prompts.history
    bad = replace(component, prompts=replace(prompts, history="Hi."))
    with raises(FieldError, name="history"):
        bad.check(bad.seeds(), lab)


class Seeing(Likes):
    """Judge that asserts the input, the history and the context of its samples."""

    def __init__(self) -> None:
        super().__init__("c")

    def _one(self, sample: Sample) -> Any:
        assert sample.text("input") == "Be brief."
        assert [turn.text for turn in history_messages(sample)] == ["Hi.", "Hello."]
        assert sample.text("context") == "User: Hi.\n\nAssistant: Hello.\n\nBe brief."
        return super()._one(sample)


def test_truncation_is_marked() -> None:
    (pair,) = generate(Preferences(ONE, voices("cut one two", "one"), {"words": Words()}))
    assert isinstance(pair, Sample)
    assert (pair.text("chosen_whole"), pair.text("rejected_whole")) == ("no", "yes")


def test_samples_contain_no_model_reference() -> None:
    for pair in generate(Preferences(Prompts(), voices("one", "two words", "down"), {"words": Words()}, pairs="all")):
        assert isinstance(pair, Sample)
        assert not any("says:" in str(value) for value in pair.fields.values())


def test_run_with_preferences_counts_drops_and_estimates_cost(tmp_path: Any) -> None:
    source = {"use": "labs:FewTasks", "languages": ["en"]}
    spec = {
        "use": "Preferences",
        "prompts": source,
        "answerers": {"a": {"model": "embedded:smollm2"}, "b": {"model": "openai:gpt-4o-mini"}},
        "rank": {"near": {"use": "Rouge", "references": ["output"]}},
        "judges": {"judge": {"use": "PairJudge", "model": "openai:gpt-4o-mini"}},
        "answers": 2,
        "pairs": "all",
    }
    component = build("generators", spec, "generate")
    assert build("generators", describe(component), "generate") == component
    seeds = component.seeds()
    assert len(seeds) == 5 * 6
    assert [len(shard.seeds) for shard in plan_shards(component, seeds, tmp_path, 13)] == [12, 12, 6]
    recipe = Recipe("pairs", component)
    (cost,) = estimate_run(recipe, plan_run(recipe, tmp_path / "run"))
    assert (cost.stage, cost.model) == ("generate", "openai:gpt-4o-mini")
    assert cost.estimate is not None
    assert cost.estimate.askings == 5 * (2 + 2 * 6)
    few = Preferences(
        FewTasks(), {name: Answerer("tiny:author", SAMPLING) for name in "ab"}, {"near": Rouge(references=("output",))}
    )
    folder = tmp_path / "whole"
    Runner(
        Recipe("few", few, keep=(ClearPreference(),)),
        RunFolder.open(folder, create=True),
        Voices(),
        Local(),
        SilentReporter(),
    ).run()
    assert counts(folder, "generate")["requested"] == 10
    assert counts(folder, "keep")["kept"] < 10


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"answerers": voices("one")}, r"Preferences\b.*\b1\b.*\b1\b"),
        ({"answerers": {"": Answerer("x"), "b": Answerer("x")}}, r"Preferences\.answerers\b"),
        ({"rank": {}}, r"Preferences\.rank\b"),
        ({"judges": {"words": Likes("x")}}, r"Preferences\..*'words'"),
        ({"rank": {"new": RougeNovelty("text")}}, "'new'"),
        ({"min_difference": {"word": 1.0}}, r"min_difference .*'word'.*'words'"),
        ({"min_difference": {"words": float("nan")}}, r"min_difference\['words'\] .*\b0\b.*\bnan\b"),
        ({"pairs": "best"}, r"Preferences\.pairs .*\bbest-worst, all\b.*'best'"),
        ({"agree": "some"}, r"agree .*\ball, majority.*'some'"),
        ({"answers": 0}, r"answers .*\b1\b.*\b0\b"),
        ({"limit": 0}, r"limit .*\b1\b.*\b0\b"),
        ({"margin_by": "wrods"}, r"margin_by .*\branker\b.*'wrods'"),
        ({"answers": 2, "answerers": {"a": Answerer("x", Decoding())}}, "sample .*'greedy'"),
    ],
)
def test_invalid_arguments(wrong: dict[str, Any], message: str) -> None:
    whole: dict[str, Any] = {"prompts": ONE, "answerers": voices("a", "b"), "rank": {"words": Words()}}
    with pytest.raises(ValueError, match=message):
        Preferences(**{**whole, **wrong})


def test_invalid_answerer() -> None:
    spec: dict[str, Any] = {
        "use": "Preferences",
        "prompts": {"use": "SeedTasks"},
        "rank": {"near": {"use": "Rouge"}},
        "answerers": {"a": {"model": "x"}, "b": {"model": "y", "temperature": 0.7}},
    }
    with raises(RecipeError, place="here.answerers.b", name="temperature"):
        build("generators", spec, "here")
    spec["answerers"]["b"] = {"model": "y", "decoding": {"strategy": "sample", "temprature": 0.7}}
    with raises(RecipeError, place="here.answerers.b.decoding", name="temprature") as caught:
        build("generators", spec, "here")
    assert "'temperature'" in caught.value.hint
    with pytest.raises(ValueError, match=r"Answerer\.model"):
        Answerer("")
    with pytest.raises(ValueError, match=r"Answerer\.decoding .*\b2\b"):
        Answerer("x", Decoding("sample", answers=2))


def test_invalid_rankers_and_sources() -> None:
    labels = Preferences(ONE, voices("a", "b"), {"words": Words(label=True)})
    with pytest.raises(RecipeError, match=r"'words'.*Label"):
        generate(labels)
    with pytest.raises(UserError, match="instruction"):
        Preferences(NoTasks(), voices("a", "b"), {"words": Words()}).seeds()
    from assay.components.sources.image.ood_images import Digits

    with pytest.raises(RecipeError, match=r"Preferences\.prompts"):
        Preferences(Digits(), voices("a", "b"), {"words": Words()}).seeds()
    with pytest.raises(ModelError, match="'tiny:leters'"):
        Preferences(ONE, voices("a", "b"), {"near": EmbeddingCosine("tiny:leters")}).generate([], voice_lab())


class NoTasks(Prompts):
    def read(self, lab: Any) -> Any:
        return [Sample({"text": "a"})]


@given(st.lists(st.integers(0, 4), min_size=2, max_size=6))
def test_best_and_worst_by_scores(numbers: list[int]) -> None:
    pairs = [(a, b) for a in range(len(numbers)) for b in range(a + 1, len(numbers))]
    compared = {(a, b): {"x": pointwise(numbers[a], numbers[b], least=2)} for a, b in pairs}
    first, second = best_and_worst(compared)
    assert first < second
    assert {numbers[first], numbers[second]} == {max(numbers), min(numbers)}


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=6))
def test_distinct_answers(texts: list[str]) -> None:
    indices = distinct_answers([CandidateAnswer("x", text) for text in texts])
    assert [texts[place] for place in indices] == list(dict.fromkeys(text for text in texts if text))
    assert indices == sorted(indices)


def test_rankings_round_trip_and_invalid_ones_raise() -> None:
    (pair,) = generate(Preferences(ONE, voices("one two", "two"), {"w": Words()}, {"j": Likes("", torn=True)}))
    assert isinstance(pair, Sample)
    rankings = read_rankings(pair.text("rankings"))
    assert rankings == {"j": Ranking(0.5, 0.5, 0.0, "conflict", (1.0, 0.0)), "w": Ranking(2.0, 1.0, 0.0, "first")}
    assert read_rankings(" ") == {}
    for wrong in ("[1]", '{"a": 1}', '{"a": {"chosen": "x", "rejected": 1, "prefers": "tie"}}', "{", '{"a": {}}'):
        with raises(FieldError, name="rankings", sample="p7"):
            read_rankings(wrong, "p7")
