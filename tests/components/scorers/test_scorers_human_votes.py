"""HumanVotes, its source VotedPairs, and preference pairs ranked by them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from assay.components.generators.preferences import Preferences
from assay.components.scorers.text.human_votes import HumanVotes
from assay.components.sources.text.voted_pairs import VotedPairs
from assay.core.completions import Message
from assay.core.errors import FieldError, SourceError
from assay.core.sample import Sample
from assay.core.score import Outcome, Score, Unscored
from assay.text.instructions.dialogues import write_history
from error_fields import raises
from labs import tiny_lab
from preference_parts import Prompts, shown, voice_lab, voices


def votes(folder: Path, *rows: tuple[str, str, str], **more: str) -> HumanVotes:
    names = ("output_a", "output_b", "winner")
    lines = [{"instruction": "Name a fruit.", **dict(zip(names, row, strict=True)), **more} for row in rows]
    (folder / "votes.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return HumanVotes(VotedPairs(str(folder / "votes.jsonl")))


def score_pair(scorer: HumanVotes, first: str, second: str, **more: str) -> Outcome:
    fields = {"instruction": "Name a  fruit.", "output_a": first, "output_b": second, **more}
    return scorer.score([Sample(fields)], tiny_lab())[0]


def value(outcome: Outcome) -> float:
    assert isinstance(outcome, Score)
    return outcome.value


def test_votes_apply_to_both_orders(tmp_path: Path) -> None:
    scorer = votes(tmp_path, ("a pear", "a chair", "model_a"), ("a fig", "a leg", "right"), ("a", "b", "Tie"))
    assert value(score_pair(scorer, "a pear", "a chair")) == 1
    assert value(score_pair(scorer, " a chair\n", "a  pear")) == 0
    assert value(score_pair(scorer, "a fig", "a leg")) == 0
    assert value(score_pair(scorer, "b", "a")) == 0.5
    assert getattr(score_pair(scorer, "a pear", "a leg"), "cause", "") == "not_applicable"
    assert score_pair(scorer, "a pear", "a chair", instruction="Name two.").__class__ is Unscored


def test_votes_are_averaged_if_there_is_a_majority(tmp_path: Path) -> None:
    for letters, expected, reason in (
        ("aab", 2 / 3, ""),
        ("abbb", 1 / 4, ""),
        ("ab", 0.5, "no majority"),
        ("aabbt", 0.5, "no majority"),
        ("att", 0.5, "no majority"),
        ("aaat", 7 / 8, ""),
        ("tt", 0.5, ""),
    ):
        rows = [("x", "y", {"a": "a", "b": "b", "t": "draw"}[who]) for who in letters]
        result = score_pair(votes(tmp_path, *rows), "x", "y")
        assert isinstance(result, Score)
        assert (result.value, result.reason) == (pytest.approx(expected), reason)
        assert result.evidence == {
            "votes": len(letters),
            "first": letters.count("a"),
            "second": letters.count("b"),
            "ties": letters.count("t"),
        }


def test_vote_with_an_input_applies_to_that_input_only(tmp_path: Path) -> None:
    scorer = votes(tmp_path, ("x", "y", "a"), input="a basket")
    assert value(score_pair(scorer, "x", "y", input=" a  basket ")) == 1
    assert isinstance(score_pair(scorer, "x", "y", input="a tree"), Unscored)
    assert isinstance(score_pair(scorer, "x", "y"), Unscored)
    assert value(score_pair(votes(tmp_path, ("x", "y", "b")), "x", "y", input="a tree")) == 0


def test_equal_answers_are_a_tie_and_empty_ones_unscored(tmp_path: Path) -> None:
    scorer = votes(tmp_path, ("x", "y", "a"))
    assert value(score_pair(scorer, "x", " x")) == 0.5
    assert isinstance(score_pair(scorer, "", " "), Unscored)


def test_human_votes_rank_preferences(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text(
        "instruction,output_a,output_b,model_a,model_b,winner\nName a fruit.,a pear,a chair,gpt,claude,claude\n",
        encoding="utf-8",
    )
    people = HumanVotes(VotedPairs(str(tmp_path / "votes.csv")))
    component = Preferences(
        Prompts((("Name a fruit.", ""),)), voices("a pear", "a chair", "a fig"), {}, {"people": people}
    )
    (pair,) = component.generate(component.seeds(), voice_lab())
    assert shown(pair) == ("", "a chair", "a pear")
    every = Preferences(component.prompts, component.answerers, {}, {"people": people}, pairs="all")
    assert [shown(pair)[0] for pair in every.generate(every.seeds(), voice_lab())] == ["", "unranked", "unranked"]
    before = component.listing()
    with (tmp_path / "votes.csv").open("a") as file:
        file.write("Name a fruit.,a pear,a fig,gpt,claude,tie\n")
    assert component.listing() != before
    assert [shown(pair)[0] for pair in every.generate(every.seeds(), voice_lab())] == ["", "tie", "unranked"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"winner": "me"}, r"line 1: .*\bwinner\b.*'me'.*\bmodel_a, model_b or tie\b"),
        ({"winner": ""}, r"line 1: winner .*\bblank"),
        ({"instruction": " "}, r"line 1: instruction .*\bblank"),
        ({"output_a": ["x"]}, r"line 1: output_a .*\btext\b.*\['x'\]"),
        ({"output_b": None}, r"line 1: output_b .*\btext\b.*\bNone\b"),
        ({"model_a": "b", "model_b": "c", "winner": "b"}, r"line 1: .*'b' .*\bambiguous"),
    ],
)
def test_invalid_vote_raises_with_its_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    whole = {"instruction": "Go.", "output_a": "x", "output_b": "", "winner": "a", **row}
    (tmp_path / "votes.jsonl").write_text(json.dumps(whole), encoding="utf-8")
    with pytest.raises(SourceError, match=message):
        VotedPairs(str(tmp_path / "votes.jsonl")).read(tiny_lab())


def test_files_and_sources_without_votes_raise(tmp_path: Path) -> None:
    (tmp_path / "none.jsonl").write_text("", encoding="utf-8")
    with raises(SourceError, path=str(tmp_path / "none.jsonl"), records=0):
        VotedPairs(str(tmp_path / "none.jsonl")).read(tiny_lab())
    with raises(SourceError, path="votes.txt"):
        VotedPairs("votes.txt").read(tiny_lab())
    (tmp_path / "some.jsonl").write_text('{"instruction": "x", "output_a": "", "output_b": ""}', encoding="utf-8")
    with raises(SourceError, place=f"{tmp_path / 'some.jsonl'}, line 1", name="winner"):
        VotedPairs(str(tmp_path / "some.jsonl")).read(tiny_lab())
    with pytest.raises(ValueError, match="path"):
        VotedPairs("")

    class Odd(Prompts):
        def read(self, lab: Any) -> Any:
            return [Sample({"instruction": "x", "output_a": "a", "output_b": "b", "winner": "left"})]

    with pytest.raises(FieldError, match=r"winner .*'left'"):
        HumanVotes(Odd()).score([], tiny_lab())


def test_vote_with_a_history_applies_to_that_dialogue_only(tmp_path: Path) -> None:
    history = write_history((Message("user", "Hi."), Message("assistant", "Hello.")))
    scorer = votes(tmp_path, ("a pear", "a chair", "a"), history=history)
    assert value(score_pair(scorer, "a pear", "a chair", history=history)) == 1
    for more in ({}, {"history": ""}, {"history": write_history((Message("user", "Hm."), Message("assistant", "?")))}):
        assert isinstance(score_pair(scorer, "a pear", "a chair", **more), Unscored)
    assert value(score_pair(votes(tmp_path, ("a pear", "a chair", "a")), "a pear", "a chair", history=history)) == 1
    with pytest.raises(SourceError, match=r"votes.jsonl, line 1"):
        score_pair(votes(tmp_path, ("a pear", "a chair", "a"), history="Hi."), "a pear", "a chair")
