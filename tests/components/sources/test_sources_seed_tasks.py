"""SeedTasks: formats of files, and errors."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assay.components.sources.files.task_files import language_of, read_tasks
from assay.components.sources.tasks.seed_tasks import SeedTasks
from assay.core.completions import Message
from assay.core.errors import SourceError
from assay.core.sample import Sample
from assay.store.export.export import export
from assay.store.images import StoredImages
from assay.text.instructions.dialogues import conversation, history_messages, write_history
from error_fields import raises
from labs import tiny_lab
from shared_data import shared

ONE: dict[str, Any] = {
    "id": "a",
    "name": "plural",
    "instruction": "Give the plural.",
    "instances": [{"input": "knife", "output": "knives"}, {"input": "  ", "output": "none"}],
    "is_classification": False,
}
OTHER: dict[str, Any] = {
    "instruction": "홀수인지 짝수인지 말해 줘.",
    "instances": [{"input": "7", "output": "홀수"}],
    "is_classification": True,
}
PLAIN: dict[str, Any] = {"instruction": "Say hello.", "input": "", "output": "Hello."}


def write_tasks(folder: Path, *rows: Any, name: str = "tasks.jsonl") -> str:
    path = folder / name
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return str(path)


def tasks(path: str, **settings: Any) -> list[Sample]:
    return list(SeedTasks(path, **settings).read(tiny_lab()))


def test_fields_are_the_same_in_all_formats(tmp_path: Path) -> None:
    path = write_tasks(tmp_path, ONE, OTHER, "", PLAIN)
    assert [dict(sample.fields) for sample in tasks(path)] == [
        {
            "instruction": "Give the plural.",
            "input": "knife",
            "output": "knives",
            "name": "plural",
            "language": "en",
            "classification": "no",
            "origin": "tasks.jsonl:1",
        },
        {
            "instruction": "홀수인지 짝수인지 말해 줘.",
            "input": "7",
            "output": "홀수",
            "name": "",
            "language": "ko",
            "classification": "yes",
            "origin": "tasks.jsonl:2",
        },
        {
            "instruction": "Say hello.",
            "input": "",
            "output": "Hello.",
            "name": "",
            "language": "en",
            "classification": "",
            "origin": "tasks.jsonl:4",
        },
    ]
    whole = write_tasks(tmp_path, json.dumps([ONE, OTHER, PLAIN]), name="tasks.json")
    assert [sample.text("origin") for sample in tasks(whole)] == ["tasks.json#1", "tasks.json#2", "tasks.json#3"]


def test_instances_argument(tmp_path: Path) -> None:
    path = write_tasks(tmp_path, ONE, OTHER)
    samples = tasks(path, instances="all")
    assert [(s.text("input"), s.text("output"), s.text("origin")) for s in samples] == [
        ("knife", "knives", "tasks.jsonl:1"),
        ("", "none", "tasks.jsonl:1#2"),
        ("7", "홀수", "tasks.jsonl:2"),
    ]
    assert len(tasks(path, instances="all", limit=1)) == 2  # the limit is one of tasks


def test_language_and_classification_apply_before_the_limit(tmp_path: Path) -> None:
    path = write_tasks(tmp_path, ONE, PLAIN, OTHER)
    assert [s.text("output") for s in tasks(path, language="ko", limit=1)] == ["홀수"]
    assert [s.text("output") for s in tasks(path, language="en")] == ["knives", "Hello."]
    assert [s.text("output") for s in tasks(path, classification="yes")] == ["홀수"]
    assert [s.text("output") for s in tasks(path, classification="no")] == ["knives"]
    with pytest.raises(SourceError, match=r"'ko' .*'no'; .*3 tasks: en 2"):
        tasks(path, language="ko", classification="no")


def test_language_of_the_file_takes_precedence(tmp_path: Path) -> None:
    assert tasks(write_tasks(tmp_path, {**PLAIN, "language": "ko"}))[0].text("language") == "ko"


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Give the plural.", "en"),
        ("What does '안녕' mean in English?", "en"),
        ("JavaScript로 짧은 함수를 써 줘.", "ko"),
        ("HTML tag 설명해 줘", "ko"),
        ("ㅋㅋ", "ko"),
        ("\u1112\u1161\u11ab\u1100\u1173\u11af", "ko"),
        ("3 + 4 = ?", "en"),
        ("Écris une phrase.", "en"),
    ],
)
def test_language_of_a_text(text: str, language: str) -> None:
    assert language_of(text) == language


WRONG: list[tuple[str | dict[str, Any], str]] = [
    ("{", r"tasks.jsonl, line 2: not JSON"),
    ("[1]", r"line 2: .*\bobject\b.*\['1'\]"),
    ({**ONE, "id": "b", "instruction": " "}, r"line 2: instruction is blank"),
    ({"instructions": "x", "output": "y"}, r"line 2: there is no 'instruction'.\n.*Did you mean 'instructions'"),
    ({**PLAIN, "instruction": None}, r"line 2: instruction .*\btext\b.*\bNone\b"),
    ({**PLAIN, "instruction": "\ud800"}, r"line 2: instruction has a lone surrogate"),
    ({**PLAIN, "input": "\udc00"}, r"line 2: input has a lone surrogate"),
    ({**PLAIN, "output": "\ud800!"}, r"line 2: output has a lone surrogate"),
    ({**PLAIN, "output": ""}, r"line 2: output is blank.\n.*unanswered: skip"),
    ({**PLAIN, "output": ["a"]}, r"line 2: output .*\btext\b.*\['a'\]"),
    ({**PLAIN, "input": None}, r"line 2: input .*\btext\b.*\bNone\b"),
    ({"instruction": "x", "output": "y", "imput": ""}, r"line 2: there is no 'input'.\n.*There are .*imput"),
    ({"instruction": "x", "instance": []}, r"neither 'instances'.* nor 'output'.*\n.*There are instruction, instance"),
    ({"instruction": "x", "\ud800": 1}, r"neither 'instances'.*\n.*ud800"),
    ({**ONE, "id": "b", "instances": []}, r"line 2: instances .*\blist\b.*\[\]"),
    ({**ONE, "id": "b", "instances": {}}, r"line 2: instances .*\blist\b"),
    ({**ONE, "id": "b", "instances": ["x"]}, r"line 2, instance 1: .*\bobject\b.*\binput, output\b.*'x'"),
    ({**ONE, "id": "b", "instances": [*ONE["instances"], {"input": ""}]}, r"line 2, instance 3: there is no 'output'"),
    ({**ONE, "id": "b", "instances": [{"input": "", "output": " "}]}, r"line 2, instance 1: output is blank"),
    ({**ONE, "id": "b", "is_classification": "no"}, r"is_classification .*\btrue\b.*\bfalse\b.*'no'"),
    ({**ONE, "id": "b", "name": ["x"]}, r"line 2: name .*\btext\b"),
    ({**ONE, "id": {}}, r"line 2: id .*\btext\b"),
    ({**ONE, "id": "b", "language": "de"}, r"line 2: language .*'en'.*'ko'.*'de'"),
    ({**ONE, "id": "b", "language": ["en"]}, r"line 2: language .*'en'.*'ko'.*\['en'\]"),
    (ONE, r"line 2: .*'a' .*tasks.jsonl:1"),
]


@pytest.mark.parametrize(("row", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_invalid_task_raises_with_its_line(row: str | dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        tasks(write_tasks(tmp_path, ONE, row))


def test_files_without_tasks_raise(tmp_path: Path) -> None:
    with raises(SourceError, records=0):
        tasks(write_tasks(tmp_path, ""))
    with raises(SourceError, records=1):
        tasks(write_tasks(tmp_path, {**PLAIN, "output": ""}), unanswered="skip")
    with raises(SourceError, path=str(tmp_path / "one.json"), value=PLAIN):
        tasks(write_tasks(tmp_path, json.dumps(PLAIN), name="one.json"))
    with raises(SourceError, path=str(tmp_path / "tasks.csv")):
        tasks(write_tasks(tmp_path, "instruction", name="tasks.csv"))
    with raises(SourceError, path=str(tmp_path / "on.json"), near=["one.json"]):
        tasks(str(tmp_path / "on.json"))
    (tmp_path / "latin.jsonl").write_bytes(b'{"instruction": "caf\xe9"}')
    with raises(SourceError, path=str(tmp_path / "latin.jsonl"), line=1):
        tasks(str(tmp_path / "latin.jsonl"))


def test_invalid_arguments_raise() -> None:
    for settings, message in [
        ({"language": "kr"}, r"SeedTasks.language .*\bany, en, ko.*'kr'"),
        ({"part": "heldout"}, r"SeedTasks.part .*\bseed, held-out.*'heldout'"),
        ({"classification": True}, r"SeedTasks.classification .*\bany, yes, no.*\bTrue"),
        ({"instances": "last"}, r"SeedTasks.instances .*\bfirst, all.*'last'"),
        ({"unanswered": "drop"}, r"SeedTasks.unanswered .*\brefuse, skip.*'drop'"),
        ({"limit": 0}, r"SeedTasks.limit .*\b1\b.*\b0\b"),
        ({"path": "own.jsonl", "part": "held-out"}, r"SeedTasks.part"),
    ]:
        with pytest.raises(ValueError, match=message):
            SeedTasks(**settings)  # type: ignore[arg-type]


def test_blank_outputs_are_skipped(tmp_path: Path) -> None:
    partly = {**ONE, "id": "b", "instances": [{"input": "x", "output": ""}, {"input": "y", "output": "z"}]}
    path = write_tasks(tmp_path, {**PLAIN, "output": " \n"}, partly, PLAIN)
    samples = tasks(path, unanswered="skip", instances="all")
    assert [(s.text("input"), s.text("output")) for s in samples] == [("y", "z"), ("", "Hello.")]


def test_changed_file_changes_the_listing(tmp_path: Path) -> None:
    before = SeedTasks(write_tasks(tmp_path, ONE)).listing()
    assert SeedTasks(write_tasks(tmp_path, OTHER)).listing() != before
    assert SeedTasks().listing() != SeedTasks(part="held-out").listing()


def test_self_instruct_seed_tasks() -> None:
    path = str(shared("self-instruct-seed-tasks.jsonl") / "self-instruct-seed-tasks.jsonl")
    samples = tasks(path)
    assert len(samples) == 175
    assert Counter(s.text("classification") for s in samples) == {"no": 149, "yes": 26}
    assert {s.text("language") for s in samples} == {"en"}
    assert samples[0].text("name") == "breakfast_suggestion"


def test_alpaca_without_unanswered_tasks() -> None:
    path = str(shared("alpaca-9k.jsonl") / "alpaca-9k.jsonl")
    with pytest.raises(SourceError, match=r"alpaca-9k.jsonl, line \d+"):
        tasks(path)
    samples = tasks(path, unanswered="skip")
    assert len(samples) == 9229 - 4
    assert {s.text("classification") for s in samples} == {""}


WORDS = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
SAID = WORDS.filter(str.strip)
INSTANCE = st.fixed_dictionaries({"input": WORDS, "output": SAID})
FORMS = st.one_of(
    st.fixed_dictionaries({"instruction": SAID, "input": WORDS, "output": SAID}),
    st.fixed_dictionaries(
        {"instruction": SAID, "instances": st.lists(INSTANCE, min_size=1, max_size=3)},
        optional={
            "name": WORDS | st.none(),
            "is_classification": st.booleans(),
            "language": st.sampled_from(["en", "ko"]),
        },
    ),
)


def parsed(text: str, name: str = "rows.jsonl", *, skip: bool = False) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_text(text, encoding="utf-8", newline="")
        return read_tasks(path, skip_blank=skip)


@given(st.lists(FORMS, min_size=1, max_size=4), st.booleans(), st.booleans())
def test_any_valid_task_is_read(rows: list[dict[str, Any]], plain: bool, windows: bool) -> None:
    lines = [json.dumps(row, ensure_ascii=plain) for row in rows]
    file_tasks = parsed(("\r\n" if windows else "\n").join(lines))
    assert len(file_tasks) == len(rows)
    for task, row in zip(file_tasks, rows, strict=True):
        assert task.instruction == row["instruction"]
        instances = [
            (instance["input"] if instance["input"].strip() else "", instance["output"])
            for instance in row.get("instances", [row])
        ]
        assert list(task.instances) == instances
        assert task.classification == {None: "", True: "yes", False: "no"}[row.get("is_classification")]
        assert task.language == row.get("language", language_of(row["instruction"]))
    assert parsed(json.dumps(rows), "rows.json")[-1].instances == file_tasks[-1].instances


KEYS = st.sampled_from(["id", "name", "language", "instruction", "instances", "input", "output", "is_classification"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(["en", "\ud83d"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
NEAR = st.fixed_dictionaries(
    {"instruction": JSON}, optional={"instances": JSON, "input": JSON, "output": JSON, "id": JSON}
)


@given(st.lists(NEAR | JSON, max_size=3), st.booleans())
def test_any_json_is_read_or_raises(rows: list[Any], skip: bool) -> None:
    try:
        file_tasks = parsed("\n".join(map(json.dumps, rows)), skip=skip)
    except SourceError as error:
        str(error).encode()
        return
    for task in file_tasks:
        assert task.instruction.strip()
        assert task.instances
        assert all(output.strip() and (input_text == "" or input_text.strip()) for input_text, output in task.instances)


def user(text: Any) -> dict[str, Any]:
    return {"role": "user", "content": text}


def tells(text: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def test_chat_becomes_a_dialogue(tmp_path: Path) -> None:
    before = [{"role": "system", "content": "Be brief."}, user("Name a fruit."), tells(" A pear.")]
    path = write_tasks(
        tmp_path,
        {"messages": [*before, user("그럼 강은?"), tells("한강\n")], "id": "a"},
        {"messages": [user("Hi."), tells("Yes?")]},
    )
    first, second = tasks(path)
    assert dict(first.fields) == {
        "history": write_history((Message("user", "Be brief.\n\nName a fruit."), Message("assistant", "A pear."))),
        "instruction": "그럼 강은?",
        "input": "",
        "output": "한강",
        "name": "",
        "language": "ko",
        "classification": "",
        "origin": "tasks.jsonl:1",
    }
    assert (second.text("history"), second.text("instruction"), second.text("output")) == ("", "Hi.", "Yes?")


def test_history_field_of_all_tasks(tmp_path: Path) -> None:
    path = write_tasks(tmp_path, {**PLAIN, "history": [["Hi.", "Yes?"]]}, PLAIN, {**PLAIN, "history": None})
    assert [len(history_messages(sample)) for sample in tasks(path)] == [2, 0, 0]
    assert all("history" in sample.fields for sample in tasks(path))
    assert "history" not in tasks(write_tasks(tmp_path, PLAIN))[0].fields


CHATS: list[tuple[Any, str]] = [
    ([], r"line 2: messages"),
    ("Hi.", r"line 2: messages .*'Human:'"),
    ([user("Hi.")], r"line 2: messages .*\n.*unanswered: skip"),
    ([user("Hi."), tells(" ")], r"line 2: messages .*\n.*unanswered: skip"),
    ([tells("Hi.")], r"line 2: messages"),
    ([{"role": "system", "content": "x"}, tells("Hi.")], r"messages .* was system"),
    ([user("Hi."), user("Ho."), tells("Yes?")], r"messages .* was user, user"),
    ([user("Hi."), tells("Yes?"), tells("No.")], r"messages .* was user, assistant"),
    ([user(""), tells("Yes?")], r"messages .*turn 1 \(user\)"),
    ([user("a"), tells(" "), user("b"), tells("c")], r"messages .*turn 2 \(assistant\)"),
    ([user("a"), {"role": "tool", "content": "b"}], r"messages .*role"),
    ([user(["a"]), tells("b")], r"messages .*content"),
    ([user("a"), tells("\ud800")], r"messages .*surrogate"),
]


@pytest.mark.parametrize(("messages", "message"), CHATS)
def test_invalid_chat_raises_with_its_line(messages: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=message):
        tasks(write_tasks(tmp_path, ONE, {"messages": messages}))


def test_invalid_history_raises_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"line 2"):
        tasks(write_tasks(tmp_path, ONE, {**PLAIN, "history": [user("Hi.")]}))


def test_unanswered_chats_are_skipped(tmp_path: Path) -> None:
    path = write_tasks(
        tmp_path,
        {"messages": [user("Hi.")]},
        {"messages": [user("Hi."), tells("")]},
        {"messages": [user("Hi."), tells("Yes?")]},
    )
    assert [sample.text("output") for sample in tasks(path, unanswered="skip")] == ["Yes?"]
    with pytest.raises(SourceError, match=r"line 1"):
        tasks(write_tasks(tmp_path, {"messages": [user("Hi."), user("Ho.")]}), unanswered="skip")


@given(st.lists(st.tuples(SAID, SAID), min_size=1, max_size=4), st.sampled_from(["messages", "alpaca"]))
def test_exported_dialogue_is_read_back(turns: list[tuple[str, str]], layout: Any) -> None:
    """Chats are read as dialogues, exported in both formats, and read back."""
    turns = [(ask.strip(), tell.strip()) for ask, tell in turns]
    chat = {"messages": [message for ask, tell in turns for message in (user(ask), tells(tell))]}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        samples = tasks(write_tasks(folder, chat))
        messages = [*conversation(samples[0]), Message("assistant", samples[0].text("output"))]
        assert [(message.role, message.text) for message in messages] == [
            (m["role"], m["content"]) for m in chat["messages"]
        ]
        export(samples, StoredImages([]), folder / "out", layout)
        file = folder / "out" / ("data.jsonl" if layout == "messages" else "data.json")
        (back,) = tasks(str(file))
        if layout == "messages":
            assert json.loads(file.read_text(encoding="utf-8")) == chat
    different = {"origin", "history"} if len(turns) == 1 and layout == "alpaca" else {"origin"}
    assert {n: v for n, v in back.fields.items() if n not in different} == {
        n: v for n, v in samples[0].fields.items() if n not in different
    }
