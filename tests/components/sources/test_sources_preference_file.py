"""PreferencePairs: formats of files, and broken pairs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assay.components.sources.text.preference_pairs import PreferencePairs
from assay.core.completions import Message
from assay.core.errors import SourceError
from assay.core.sample import Sample
from assay.text.instructions.dialogues import conversation, parse_dialogue, parse_turns
from assay.text.prompting.rankings import FIELDS, SENTENCES
from error_fields import raises
from labs import tiny_lab

WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=12).filter(
    lambda t: bool(t.strip())
)


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def read(folder: Path, *rows: Any, broken: Any = "refuse", name: str = "pairs.jsonl") -> list[Sample]:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return list(PreferencePairs(str(folder / name), broken).read(tiny_lab()))


def contents_of(sample: Sample) -> tuple[list[str], str, str, str]:
    """Texts of the conversation, chosen and rejected answer, and verdict."""
    return (
        [message.text for message in conversation(sample)],
        sample.text("chosen"),
        sample.text("rejected"),
        sample.text("verdict"),
    )


@pytest.mark.parametrize(
    ("row", "turns"),
    [
        ({"prompt": "Hi.", "chosen": "a", "rejected": "b"}, ["Hi."]),
        ({"prompt": [user("Hi.")], "chosen": [assistant("a")], "rejected": [assistant(" b")]}, ["Hi."]),
        ({"prompt": [user("Hi.")], "chosen": "a", "rejected": "b"}, ["Hi."]),
        ({"chosen": [user("Hi."), assistant("a")], "rejected": [user("Hi."), assistant("b")]}, ["Hi."]),
        ({"prompt": "Hi.", "chosen": [user("Hi."), assistant("a")], "rejected": [assistant("b")]}, ["Hi."]),
        (
            {"prompt": [user("Hi."), assistant("Yes?"), user("Go.")], "chosen": [assistant("a")], "rejected": "b"},
            ["Hi.", "Yes?", "Go."],
        ),
        (
            {
                "chosen": "\n\nHuman: Hi.\n\nAssistant: Yes?\n\nHuman: Go\n\non.\n\nAssistant: a",
                "rejected": "\n\nHuman: Hi.\n\nAssistant: Yes?\n\nHuman: Go\n\non.\n\nAssistant: b",
            },
            ["Hi.", "Yes?", "Go\n\non."],
        ),
        ({"prompt": "\n\nHuman: Hi.\n\nAssistant:", "chosen": " a", "rejected": " b"}, ["Hi."]),
        (
            {
                "prompt": "\n\nHuman: Hi.\n\nAssistant:",
                "chosen": "\n\nHuman: Hi.\n\nAssistant: a",
                "rejected": "\n\nHuman: Hi.\n\nAssistant: b",
            },
            ["Hi."],
        ),
        (
            {"prompt": [{"role": "system", "content": "Be kind."}, user("Hi.")], "chosen": "a", "rejected": "b"},
            ["Be kind.\n\nHi."],
        ),
        ({"instruction": "Add.", "input": "3, 4", "chosen": "a", "rejected": "b"}, ["Add.\n\n3, 4"]),
        ({"instruction": "Add.", "input": None, "chosen": "a", "rejected": "b", "prompt": "x"}, ["Add."]),
    ],
)
def test_formats_of_pairs(tmp_path: Path, row: Any, turns: list[str]) -> None:
    (pair,) = read(tmp_path, row)
    assert contents_of(pair) == (turns, "a", "b", "")
    assert set(FIELDS) | {"instruction", "input", "history", "origin"} == set(pair.fields)
    assert pair.text("origin") == "pairs.jsonl:1"


def test_fields_of_pairs_are_copied(tmp_path: Path) -> None:
    fields = {"verdict": "tie", "margin": "0.5", "chosen_from": "a", "rankings": "{}", "chosen_whole": "no"}
    fields["output"] = "x"
    (pair,) = read(tmp_path, {"instruction": "Add.", "chosen": "a", "rejected": "b", **fields})
    assert {name: pair.text(name) for name in fields} == fields


def test_json_and_csv_files(tmp_path: Path) -> None:
    row = {"prompt": "Hi.", "chosen": "a", "rejected": "b"}
    (tmp_path / "pairs.json").write_text(json.dumps([row, row]), encoding="utf-8")
    (tmp_path / "pairs.csv").write_text('prompt,chosen,rejected\nHi.,a,b\n"Hi, you.",a,b\n', encoding="utf-8")
    assert len(PreferencePairs(str(tmp_path / "pairs.json")).read(tiny_lab())) == 2
    pairs = PreferencePairs(str(tmp_path / "pairs.csv"), limit=1).read(tiny_lab())
    assert [contents_of(pair)[0] for pair in pairs] == [["Hi."]]


def test_equal_answers_have_a_verdict(tmp_path: Path) -> None:
    (pair,) = read(tmp_path, {"prompt": "Hi.", "chosen": "a ", "rejected": "a"})
    assert pair.text("verdict") == "equal"


BAD: list[tuple[Any, str, str]] = [
    ({"prompt": "Hi.", "chosen": "a"}, "rejected .*missing", "missing"),
    ({"prompt": "Hi.", "chosen": None, "rejected": "b"}, "chosen .*missing", "missing"),
    ({"prompt": "Hi.", "chosen": "a", "rejected": " \n"}, "rejected .*missing", "missing"),
    ({"prompt": "Hi.", "chosen": [], "rejected": "b"}, "chosen .*missing", "missing"),
    ({"prompt": " ", "chosen": "a", "rejected": "b"}, "prompt .*blank", "missing"),
    ({"instruction": " ", "chosen": "a", "rejected": "b"}, "instruction .*blank", "missing"),
    ({"chosen": "a", "rejected": "b"}, "no prompt", "missing"),
    (
        {"chosen": [user("Hi."), assistant("")], "rejected": [user("Hi."), assistant("b")]},
        "chosen .*missing",
        "missing",
    ),
    (
        {"chosen": "\n\nHuman: Hi.\n\nAssistant: a", "rejected": "\n\nHuman: Ho.\n\nAssistant: b"},
        "'Hi.' and 'Ho.'",
        "one-sided",
    ),
    (
        {"chosen": [user("Hi."), assistant("a")], "rejected": [user("x"), assistant("y"), user("Hi."), assistant("b")]},
        "prompts differ",
        "one-sided",
    ),
    (
        {"prompt": "Ho.", "chosen": [user("Hi."), assistant("a")], "rejected": [user("Hi."), assistant("b")]},
        "chosen .*'Hi.', not 'Ho.'",
        "one-sided",
    ),
    (
        {"chosen": [user("Hi."), user("Hi."), assistant("a")], "rejected": [user("Hi."), assistant("b")]},
        "chosen .* was user, user",
        "unreadable",
    ),
    (
        {"chosen": "\n\nHuman: Hi.", "rejected": "\n\nHuman: Hi.\n\nAssistant: b"},
        "chosen .*assistant",
        "unreadable",
    ),
    ({"prompt": [assistant("Hi.")], "chosen": "a", "rejected": "b"}, "prompt .*was assistant", "unreadable"),
    ({"prompt": "Hi.", "chosen": {"a": 1}, "rejected": "b"}, "chosen .*text.*messages", "unreadable"),
    ({"prompt": 1.5, "chosen": [{"role": "bot", "content": "x"}], "rejected": "b"}, "messages with role", "unreadable"),
    ({"prompt": "Hi.", "chosen": [["x"]], "rejected": "b"}, "messages with role", "unreadable"),
    ({"instruction": "Add.", "chosen": ["a"], "rejected": "b"}, r"chosen .*text.*\['a'\]", "unreadable"),
]


@pytest.mark.parametrize(("row", "message", "verdict"), BAD)
def test_broken_pair_raises_or_has_a_verdict(tmp_path: Path, row: Any, message: str, verdict: str) -> None:
    good = {"prompt": "Hi.", "chosen": "a", "rejected": "b"}
    with pytest.raises(SourceError, match=rf"pairs.jsonl, line 2: .*{message}"):
        read(tmp_path, good, row)
    with raises(SourceError, place=f"{tmp_path / 'pairs.jsonl'}, line 2") as caught:
        read(tmp_path, good, row)
    assert "`broken: drop`" in caught.value.hint
    first, second = read(tmp_path, good, row, broken="drop")
    assert (first.text("verdict"), second.text("verdict")) == ("", verdict)
    assert verdict in SENTENCES
    assert first.fields.keys() == second.fields.keys()


def test_invalid_files_and_arguments_raise(tmp_path: Path) -> None:
    for name, content, message in (
        ("none.jsonl", None, r"none\.jsonl"),
        ("pairs.txt", "x", r"\.jsonl, .*'pairs\.txt'"),
        ("empty.jsonl", "\n", r"empty\.jsonl .*\bpairs\b"),
        ("odd.jsonl", "{\n", r"line 1: .*\bJSON\b"),
        ("list.jsonl", "[1]\n", r"line 1: .*\bobject\b"),
        ("half.jsonl", '{"prompt": "\\ud800", "chosen": "a", "rejected": "b"}', r"line 1: prompt .*\bsurrogate"),
    ):
        if content is not None:
            (tmp_path / name).write_text(content, encoding="utf-8")
        with pytest.raises(SourceError, match=message):
            PreferencePairs(str(tmp_path / name)).read(tiny_lab())
    with pytest.raises(ValueError, match="path"):
        PreferencePairs("")
    with pytest.raises(ValueError, match=r"broken .*'skip'"):
        PreferencePairs("x.jsonl", "skip")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="limit"):
        PreferencePairs("x.jsonl", limit=0)


PLAIN = WORDS.map(str.strip).filter(lambda text: "Human:" not in text and "Assistant:" not in text)


@given(st.lists(st.tuples(PLAIN, PLAIN), min_size=1, max_size=4))
def test_hh_rlhf_strings_equal_messages(turns: list[tuple[str, str]]) -> None:
    spoken = "".join(f"\n\nHuman: {question}\n\nAssistant: {answer}" for question, answer in turns)
    listed = [message for question, answer in turns for message in (user(question), assistant(answer))]
    assert parse_turns(spoken) == parse_turns(listed)
    dialogue = parse_dialogue(parse_turns(spoken))
    assert (dialogue.instruction, dialogue.answer) == turns[-1]
    assert [message.text for message in dialogue.history] == [text for turn in turns[:-1] for text in turn]
    assert all(isinstance(message, Message) for message in dialogue.history)


ANY = st.recursive(
    st.none() | st.text(max_size=6) | st.integers() | st.just("\n\nHuman: a\n\nAssistant: b"),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content"]), st.sampled_from(["user", "assistant"]) | inner, max_size=2
        )
    ),
    max_leaves=6,
)
ROW = st.dictionaries(st.sampled_from(["prompt", "chosen", "rejected", "instruction", "input", "history"]), ANY)


@given(ROW)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_record_is_a_pair_or_broken(tmp_path: Path, row: dict[str, Any]) -> None:
    """With "refuse", a broken record raises SourceError."""
    (pair,) = read(tmp_path, row, broken="drop")
    if not pair.text("verdict"):
        assert pair.text("instruction").strip()
        assert pair.text("chosen") != pair.text("rejected")
        assert pair.text("chosen")
        assert pair.text("rejected")
        assert read(tmp_path, row) == [pair]
    elif pair.text("verdict") != "equal":
        with pytest.raises(SourceError, match="line 1"):
            read(tmp_path, row)


def test_history_of_a_task_with_two_answers(tmp_path: Path) -> None:
    row = {"instruction": "Go on.", "chosen": "a", "rejected": "b", "margin": 0.5}
    before = [user("Hi."), assistant("Yes?")]
    for history in (before, json.dumps(before), [["Hi.", "Yes?"]]):
        (pair,) = read(tmp_path, {**row, "history": history})
        assert contents_of(pair) == (["Hi.", "Yes?", "Go on."], "a", "b", "")
        assert pair.text("margin") == "0.5"
    with pytest.raises(SourceError, match=r"line 1"):
        read(tmp_path, {**row, "history": before[:1]})
    (dropped,) = read(tmp_path, {**row, "history": "Hi."}, broken="drop")
    assert dropped.text("verdict") == "unreadable"
