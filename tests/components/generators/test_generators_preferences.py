"""Pairs of answers: whose are made, who ranks them, and what becomes of those that nobody prefers."""

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
from labs import FewTasks, tiny_lab
from preference_parts import SAMPLING, Likes, Prompts, Voices, Words, shown, voice_lab, voices
from run_parts import counts

ONE = Prompts((("Name a fruit.", ""),))


def made(component: Preferences, **lab: Any) -> list[Made]:
    return list(component.generate(component.seeds(), voice_lab(**lab)))


def only(component: Preferences) -> tuple[str, str, str]:
    (pair,) = made(component)
    return shown(pair)


def test_preferred_answer_is_chosen() -> None:
    for words in (("a pear", "a ripe green pear"), ("a ripe green pear", "a pear")):
        (pair,) = made(Preferences(ONE, voices(*words), {"words": Words()}))
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


def test_a_scale_says_which_way_is_better() -> None:
    lower = Preferences(ONE, voices("one two", "one"), {"words": Words("lower")})
    assert only(lower) == ("", "one", "one two")
    assert made(lower)[0].text("margin") == "1"  # type: ignore[union-attr]
    with pytest.raises(ValueError, match="neither"):
        replace(lower, rank={"words": Words("neither")})


def test_what_is_not_enough_better_is_a_tie() -> None:
    near = Preferences(ONE, voices("one two three", "one"), {"words": Words()}, min_difference={"words": 2.5})
    assert only(near) == ("tie", "one two three", "one")
    assert only(replace(near, min_difference={"words": 2.0}))[0] == ""
    assert only(Preferences(ONE, voices("one two", "two one"), {"words": Words()}))[0] == "tie"


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
        (pair,) = made(Preferences(ONE, voices(*words), {"words": Words()}, {"judge": Likes("one")}, pairs=pairs))  # type: ignore[arg-type]
        assert shown(pair)[0] == verdict
        assert isinstance(pair, Sample)
        assert pair.text("rankings") == pair.text("ranked_by") == pair.text("margin") == ""


def test_connection_errors_are_retried() -> None:
    (lost,) = made(Preferences(ONE, voices("down", "down"), {"words": Words()}))
    assert isinstance(lost, Failure)
    assert lost.reason == "the server is down"
    with raises(ModelError, lack="budget") as caught:
        made(Preferences(ONE, voices("one", "broke"), {"words": Words()}))
    assert "larger budget" in caught.value.hint


def test_blank_prompt_gets_a_verdict_and_no_request() -> None:
    lab = voice_lab()
    component = Preferences(Prompts((("  ", ""), ("Name one.", ""))), voices("a", "b c"), {"words": Words()})
    pairs = component.generate(component.seeds(), lab)
    assert [shown(pair)[0] for pair in pairs] == ["blank", ""]
    assert isinstance(lab.models, Voices)
    assert len(lab.models.asked) == 2
    told = component.asks(component.seeds(), lab)
    assert sum(map(len, told.values())) == 2


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
        assert only(component)[0] == everybody
        assert only(replace(component, agree="majority"))[0] == most


def test_position_inconsistency_is_a_conflict() -> None:
    assert only(Preferences(ONE, voices("one", "two"), {}, {"judge": Likes("", torn=True)}))[0] == "conflict"
    real = Preferences(ONE, voices("one", "two"), {}, {"judge": PairJudge("tiny:judge")})
    (pair,) = made(real)  # equally long: that judge takes the first place
    assert shown(pair)[0] == "conflict"
    assert isinstance(pair, Sample)
    assert json.loads(pair.text("rankings"))["judge"]["orders"] == [1, 0]


def test_unranked_pairs_and_retries() -> None:
    mute = Words(mute="two", cause="unparsed")
    assert only(Preferences(ONE, voices("one", "two"), {"words": mute}))[0] == "unranked"
    (lost,) = made(Preferences(ONE, voices("one", "two"), {"words": replace(mute, cause="failed")}))
    assert isinstance(lost, Failure)
    assert lost.reason == "no ranker could say: it is down"
    (pair,) = made(Preferences(ONE, voices("one", "two"), {"words": mute}, {"judge": Likes("two")}))
    assert shown(pair) == ("", "two", "one")
    assert isinstance(pair, Sample)
    assert pair.text("ranked_by") == "judge"
    assert json.loads(pair.text("rankings"))["words"] == {"why": "unparsed: it is down"}


def test_the_margin_is_that_of_one_ranker_or_how_many_more_prefer_it() -> None:
    several = Preferences(ONE, voices("one plum", "one two plum"), {"words": Words()}, {"judge": Likes("two")})
    assert made(several)[0].text("margin") == "1"  # type: ignore[union-attr]
    three = replace(several, judges={"x": Likes("two"), "y": Likes("fig")}, agree="majority")
    assert made(three)[0].text("margin") == "0.666667"  # type: ignore[union-attr]
    assert made(replace(three, margin_by="words"))[0].text("margin") == "1"  # type: ignore[union-attr]
    assert made(replace(three, margin_by="y"))[0].text("margin") == "0"  # type: ignore[union-attr]


def test_all_pairs_of_a_prompts_answers_or_its_best_and_worst() -> None:
    words = voices("1 2 3", "1", "1 2 3 4", "1 2")
    every = Preferences(ONE, words, {"words": Words()}, pairs="all")
    found = made(every)
    assert len(found) == 6
    assert {shown(one)[1:] for one in found} == {
        ("1 2 3", "1"),
        ("1 2 3 4", "1 2 3"),
        ("1 2 3", "1 2"),
        ("1 2 3 4", "1"),
        ("1 2", "1"),
        ("1 2 3 4", "1 2"),
    }
    assert only(replace(every, pairs="best-worst")) == ("", "1 2 3 4", "1")
    beside = voices("1 2 3", "empty", "1 2 3", "down", "1 2")
    assert only(Preferences(ONE, beside, {"words": Words()})) == ("", "1 2 3", "1 2")
    assert [shown(one)[0] for one in made(Preferences(ONE, beside, {"words": Words()}, pairs="all"))].count("") == 2


def test_seeds_do_not_depend_on_the_order_of_answerers() -> None:
    component = Preferences(Prompts(), {"x": Answerer("says:any", SAMPLING)}, {"words": Words()}, answers=3)
    lab = voice_lab()
    component.generate(component.seeds(), lab)
    assert isinstance(lab.models, Voices)
    seeds = [request.decoding.seed for _, request in lab.models.asked]
    assert len(set(seeds)) == 6
    twice = Prompts((("Name one.", ""), ("Name one.", "")))
    pairs = made(replace(component, prompts=twice, judges={"y": Likes("9")}, rank={}))
    assert len({pair.text("chosen") for pair in pairs if isinstance(pair, Sample)}) == 2  # asked anew, not copied
    two = {"x": Answerer("says:any", SAMPLING), "y": Answerer("says:any", SAMPLING)}
    ordered = [made(Preferences(ONE, dict(own), {"words": Words()})) for own in (two.items(), reversed(two.items()))]
    assert ordered[0] == ordered[1]
    assert made(component, seed=8) != made(component)


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
    assert [one.text for one in turns["says:b c"]] == ["Be kind.", "Hi.", "Hello.", "Name a fruit.\n\nBe brief."]  # type: ignore[union-attr]
    assert turns["says:a"][0].text == "Hi."  # type: ignore[union-attr]
    assert isinstance(pair, Sample)
    assert pair.text("input") == "Be brief."
    assert pair.text("history") == prompts.history
    bad = replace(component, prompts=replace(prompts, history="Hi."))
    with raises(FieldError, name="history"):
        bad.check(bad.seeds(), lab)


class Seeing(Likes):
    """Prefers the longer answer, where it sees what was said before."""

    def __init__(self) -> None:
        super().__init__("c")

    def _one(self, sample: Sample) -> Any:
        assert sample.text("input") == "Be brief."
        assert [turn.text for turn in history_messages(sample)] == ["Hi.", "Hello."]
        assert sample.text("context") == "User: Hi.\n\nAssistant: Hello.\n\nBe brief."
        return super()._one(sample)


def test_truncation_is_marked() -> None:
    (pair,) = made(Preferences(ONE, voices("cut one two", "one"), {"words": Words()}))
    assert isinstance(pair, Sample)
    assert (pair.text("chosen_whole"), pair.text("rejected_whole")) == ("no", "yes")


def test_samples_never_hold_the_reference_of_a_model() -> None:
    for pair in made(Preferences(Prompts(), voices("one", "two words", "down"), {"words": Words()}, pairs="all")):
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
    (told,) = estimate_run(recipe, plan_run(recipe, tmp_path / "run"))
    assert (told.stage, told.model) == ("generate", "openai:gpt-4o-mini")
    assert told.estimate is not None
    assert told.estimate.askings == 5 * (2 + 2 * 6)
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
        ({"answerers": voices("one")}, "had 1 answerers with 1 each"),
        ({"answerers": {"": Answerer("x"), "b": Answerer("x")}}, r"Preferences\.answerers\b"),
        ({"rank": {}}, r"Preferences\.rank\b"),
        ({"judges": {"words": Likes("x")}}, r"Preferences\..*'words'"),
        ({"rank": {"new": RougeNovelty("text")}}, "compares samples"),
        ({"min_difference": {"word": 1.0}}, "was 'word'. Did you mean 'words'"),
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
    with pytest.raises(RecipeError, match="Did you mean 'temperature'"):
        build("generators", spec, "here")
    with pytest.raises(ValueError, match=r"Answerer\.model"):
        Answerer("")
    with pytest.raises(ValueError, match=r"Answerer\.decoding .*\b2\b"):
        Answerer("x", Decoding("sample", answers=2))


def test_invalid_rankers_and_sources() -> None:
    labels = Preferences(ONE, voices("a", "b"), {"words": Words(label=True)})
    with pytest.raises(RecipeError, match=r"'words'.*Label"):
        made(labels)
    with pytest.raises(UserError, match="instruction"):
        Preferences(NoTasks(), voices("a", "b"), {"words": Words()}).seeds()
    from assay.components.sources.image.ood_images import Digits

    with pytest.raises(RecipeError, match=r"Preferences\.prompts"):
        Preferences(Digits(), voices("a", "b"), {"words": Words()}).seeds()
    with pytest.raises(ModelError, match="No model"):
        Preferences(ONE, voices("a", "b"), {"near": EmbeddingCosine("tiny:leters")}).generate([], tiny_lab())


class NoTasks(Prompts):
    def read(self, lab: Any) -> Any:
        return [Sample({"text": "a"})]


@given(st.lists(st.integers(0, 4), min_size=2, max_size=6))
def test_best_and_worst_by_scores(numbers: list[int]) -> None:
    pairs = [(a, b) for a in range(len(numbers)) for b in range(a + 1, len(numbers))]
    compared = {(a, b): {"x": pointwise(numbers[a], numbers[b], least=2)} for a, b in pairs}
    one, two = best_and_worst(compared)
    assert one < two
    assert {numbers[one], numbers[two]} == {max(numbers), min(numbers)}


@given(st.lists(st.sampled_from(["", "a", "b", "c"]), max_size=6))
def test_distinct_answers(texts: list[str]) -> None:
    found = distinct_answers([CandidateAnswer("x", text) for text in texts])
    assert [texts[place] for place in found] == list(dict.fromkeys(text for text in texts if text))
    assert found == sorted(found)


def test_opinions_are_read_back_and_what_is_none_is_refused() -> None:
    (pair,) = made(Preferences(ONE, voices("one two", "two"), {"w": Words()}, {"j": Likes("", torn=True)}))
    assert isinstance(pair, Sample)
    found = read_rankings(pair.text("rankings"))
    assert found == {"j": Ranking(0.5, 0.5, 0.0, "conflict", (1.0, 0.0)), "w": Ranking(2.0, 1.0, 0.0, "first")}
    assert read_rankings(" ") == {}
    for wrong in ("[1]", '{"a": 1}', '{"a": {"chosen": "x", "rejected": 1, "prefers": "tie"}}', "{", '{"a": {}}'):
        with raises(FieldError, name="rankings", sample="p7"):
            read_rankings(wrong, "p7")
