"""Export layouts of chat data, loaded by `datasets`, and the card of an export."""

from __future__ import annotations

import gc
import json
import re
import warnings
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from store_parts import image_samples

from assay.components.sources.text.preference_pairs import PreferencePairs
from assay.core.errors import FieldError, StoreError
from assay.core.provenance import Used
from assay.core.sample import Sample
from assay.store.export.cards import LOAD_CALLS, NO_PROOF, DatasetCard, dataset_card_text
from assay.store.export.export import ExportLayout, export
from assay.store.images import StoredImages
from assay.store.run_folder import RunFolder
from assay.store.shards import write_shard
from labs import tiny_lab

ODD_TEXT = 'Say "한국" \n\t\\ {}\u2028| <b>'
TASKS = [
    Sample({"instruction": "Add them.", "input": "3 and 4", "output": "7", "language": "en"}, made_by="SelfInstruct"),
    Sample({"instruction": "강 이름은?", "input": "", "output": "한강", "language": "ko"}, (), "SelfInstruct", 1),
    Sample({"instruction": ODD_TEXT, "input": "  ", "output": ODD_TEXT, "language": "en"}, nth=2),
]
GENERATED = [Sample({"label": "praise", "prompt": "Write praise.", "text": "Well done.", "end": "stop"})]
CHAT_LAYOUTS: tuple[ExportLayout, ...] = ("alpaca", "sharegpt", "messages")


def load_by_card(place: Path, layout: str, cache: Path) -> Any:
    """Load an export with the call in its card."""
    call = LOAD_CALLS[layout].replace("PATH", str(place)).replace(")", f', cache_dir="{cache}")')
    with warnings.catch_warnings():
        # datasets 5.2 leaves files open for the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        data = eval(call, {"load_dataset": datasets.load_dataset})
        gc.collect()
    return data


@pytest.mark.parametrize("layout", CHAT_LAYOUTS)
def test_tasks_load_by_their_card(tmp_path: Path, layout: ExportLayout) -> None:
    assert export(TASKS, StoredImages([]), tmp_path / "out", layout) == 3
    rows = list(load_by_card(tmp_path / "out", layout, tmp_path / "cache"))
    prompts = ["Add them.\n\n3 and 4", "강 이름은?", ODD_TEXT.strip()]
    answers = [task.text("output") for task in TASKS]
    if layout == "alpaca":
        assert rows == [{name: task.text(name) for name in ("instruction", "input", "output")} for task in TASKS]
        objects = json.loads((tmp_path / "out" / "data.json").read_text(encoding="utf-8"))
        assert objects == rows
    elif layout == "sharegpt":
        assert [row["conversations"] for row in rows] == [
            [{"from": "human", "value": prompt}, {"from": "gpt", "value": answer}]
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
    else:
        assert [row["messages"] for row in rows] == [
            [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        assert len((tmp_path / "out" / "data.jsonl").read_bytes().splitlines()) == 3


@pytest.mark.parametrize("layout", CHAT_LAYOUTS)
def test_prompt_and_generated_text_are_exported_as_conversation(tmp_path: Path, layout: ExportLayout) -> None:
    export(GENERATED, StoredImages([]), tmp_path / "out", layout)
    (row,) = load_by_card(tmp_path / "out", layout, tmp_path / "cache")
    assert (
        row
        == {
            "alpaca": {"instruction": "Write praise.", "input": "", "output": "Well done."},
            "sharegpt": {
                "conversations": [{"from": "human", "value": "Write praise."}, {"from": "gpt", "value": "Well done."}]
            },
            "messages": {
                "messages": [
                    {"role": "user", "content": "Write praise."},
                    {"role": "assistant", "content": "Well done."},
                ]
            },
        }[layout]
    )


@pytest.mark.parametrize("layout", CHAT_LAYOUTS)
def test_sample_without_task_is_rejected_and_nothing_is_written(tmp_path: Path, layout: ExportLayout) -> None:
    for fields in ({"text": "alone"}, {"instruction": "alone"}, {}):
        with pytest.raises(StoreError, match=Sample(fields).id):
            export([*TASKS, Sample(fields)], StoredImages([]), tmp_path / "out", layout)
    assert list(tmp_path.iterdir()) == []
    assert export([], StoredImages([]), tmp_path / "out", layout) == 0


@pytest.mark.parametrize("layout", ["hf", "imagefolder", "jsonl"])
def test_export_with_card_loads_in_each_layout(tmp_path: Path, layout: ExportLayout) -> None:
    stage = RunFolder.open(tmp_path / "run", create=True).stage("generate-ab12")
    samples, blobs = image_samples(3)
    write_shard(stage / "part-00000.parquet", samples, blobs)
    export(samples, StoredImages([stage]), tmp_path / "out", layout, DatasetCard("images"))
    assert (tmp_path / "out" / "README.md").is_file()
    assert len(load_by_card(tmp_path / "out", layout, tmp_path / "cache")) == 3


def test_export_folder_loads_by_its_card(tmp_path: Path) -> None:
    for layout in CHAT_LAYOUTS:
        export(TASKS, StoredImages([]), tmp_path / layout, layout)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            data = datasets.load_dataset(str(tmp_path / layout), split="train", cache_dir=str(tmp_path / "cache"))
            assert len(data) == 3
            del data
            gc.collect()


CARD = DatasetCard(
    name="tasks",
    question="Do they\nhelp?",
    makers=(("made the samples", "SelfInstruct, with embedded:smollm2"), ("scored them (quality)", "Judge")),
    models=(Used("embedded:smollm2", "apache-2.0", "making"), Used("openai:x|<b>", part="scoring (quality)")),
    data=(("SeedTasks mine.jsonl", "cc0-1.0"),),
    requested=12,
    dropped={"quality >= 4.5 | or so": 7},
    failed={"nothing came": 2},
    proof="Not shown. The models cannot be told apart.",
    version="0.1.0",
    recipe="name: tasks\n# ``` here\n",
)


def front_matter(text: str) -> dict[str, Any]:
    metadata: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return metadata


def test_card_has_metadata_models_and_counts() -> None:
    text = dataset_card_text(CARD, TASKS, "alpaca")
    assert front_matter(text) == {
        "pretty_name": "tasks",
        "license": "unknown",
        "language": ["en", "ko"],
        "tags": ["synthetic", "assay"],
        "size_categories": ["n<1K"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "data.json"}]}],
    }
    assert re.search(r"^3 samples\b.*\bassay 0\.1\.0\. 2 of 3 .*\(66\.7%\)", text, re.MULTILINE)
    assert "| making | embedded:smollm2 | apache-2.0 |" in text
    assert "| scoring (quality) | openai:x\\|&lt;b> | unknown |" in text
    assert "| SeedTasks mine.jsonl | cc0-1.0 |" in text
    assert "12 requested = 3 kept + 7 dropped + 2 failed." in text
    assert "| dropped: quality >= 4.5 \\| or so | 7 |" in text
    assert "| failed: nothing came | 2 |" in text
    assert "| **kept** | **3** |" in text
    assert "| {} | {} |".format(*CARD.makers[0]) in text
    assert f"\n\n{CARD.proof}" in text
    assert "\n````yaml\nname: tasks" in text


def test_card_without_information() -> None:
    text = dataset_card_text(DatasetCard(), [Sample({"text": "x", "language": "a language\n- of mine"})], "jsonl")
    assert NO_PROOF in text
    assert "language" not in front_matter(text)
    assert front_matter(text)["license"] == "unknown"
    assert "## Filtering" not in text
    text_with_values = dataset_card_text(DatasetCard(license="cc-by-4.0", languages=("ko",)), TASKS, "hf")
    assert (front_matter(text_with_values)["license"], front_matter(text_with_values)["language"]) == (
        "cc-by-4.0",
        ["ko"],
    )


def test_card_escapes_untrusted_text() -> None:
    untrusted = "---\nlicense: mit\n<script>| x"
    text = dataset_card_text(
        DatasetCard(
            name=untrusted, question=untrusted, makers=((untrusted, untrusted),), requested=4, dropped={untrusted: 1}
        ),
        TASKS,
        "hf",
    )
    assert front_matter(text)["license"] == "unknown"
    assert front_matter(text)["pretty_name"] == "--- license: mit <script>| x"
    assert "<script>" not in text.split("---\n", 2)[2]
    assert all(line.count("|") - line.count("\\|") == 3 for line in text.splitlines() if line.startswith("|"))


@pytest.mark.parametrize(
    ("made_by", "counts", "tags"),
    [
        (["A", "B"], r"2 of 2 \D+\(100%\)\.$", ["synthetic", "assay"]),
        (["collected", "B"], r"1 of 2 \D+\(50%\); \D+\bcollected\b", ["synthetic", "assay"]),
        (["collected"], r"0 of 1 \D+\(0%\); \D+\bcollected\b", ["assay"]),
        ([], r"0 of 0 [^\d;%]+\.$", ["assay"]),
    ],
)
def test_card_counts_synthetic_rows(made_by: list[str], counts: str, tags: list[str]) -> None:
    text = dataset_card_text(DatasetCard(), [Sample({"text": "x"}, made_by=origin) for origin in made_by], "jsonl")
    assert re.search(rf"\. {counts}", text, re.MULTILINE)
    assert front_matter(text)["tags"] == tags


@pytest.mark.parametrize(
    ("count", "category"),
    [
        (0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (52_000, "10K<n<100K"), (999_999, "100K<n<1M"),
        (2_000_000, "1M<n<10M"),
    ],
)  # fmt: skip
def test_sizes_are_those_of_hugging_face(count: int, category: str) -> None:
    assert front_matter(dataset_card_text(DatasetCard(), TASKS[:1] * count, "hf"))["size_categories"] == [category]


HISTORY = json.dumps(
    [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": ODD_TEXT}], ensure_ascii=False
)
PAIRS = [
    Sample({"instruction": "Add them.", "input": "3 and 4", "chosen": "7", "rejected": "8", "verdict": ""}),
    Sample({"instruction": ODD_TEXT, "input": "", "history": HISTORY, "chosen": ODD_TEXT, "rejected": "no"}),
]


def test_pairs_load_by_their_card_and_as_source(tmp_path: Path) -> None:
    assert export(PAIRS, StoredImages([]), tmp_path / "out", "preference", DatasetCard("pairs")) == 2
    rows = list(load_by_card(tmp_path / "out", "preference", tmp_path / "cache"))
    assert rows[0] == {
        "prompt": [{"role": "user", "content": "Add them.\n\n3 and 4"}],
        "chosen": [{"role": "assistant", "content": "7"}],
        "rejected": [{"role": "assistant", "content": "8"}],
    }
    assert [turn["content"] for turn in rows[1]["prompt"]] == ["Hi.", ODD_TEXT, ODD_TEXT.strip()]
    assert [turn["role"] for turn in rows[1]["prompt"]] == ["user", "assistant", "user"]
    back = PreferencePairs(str(tmp_path / "out" / "data.jsonl")).read(tiny_lab())
    assert [pair.text("chosen") for pair in back] == ["7", ODD_TEXT.strip()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        data = datasets.load_dataset(str(tmp_path / "out"), split="train", cache_dir=str(tmp_path / "cache"))
        assert set(data.column_names) == {"prompt", "chosen", "rejected"}
        del data
        gc.collect()


@pytest.mark.parametrize(
    "fields",
    [
        {"instruction": "Go.", "output": "x"},
        {"instruction": "Go.", "chosen": "a", "rejected": "b", "verdict": "tie"},
        {"instruction": "Go.", "chosen": "a", "rejected": " "},
        {"instruction": "Go.", "chosen": "a", "rejected": "a "},
    ],
)
def test_sample_without_preference_is_rejected_and_nothing_is_written(tmp_path: Path, fields: dict[str, str]) -> None:
    with pytest.raises(StoreError, match=Sample(fields).id):
        export([*PAIRS, Sample(fields)], StoredImages([]), tmp_path / "out", "preference")
    assert list(tmp_path.iterdir()) == []


def test_dialogue_is_exported_with_its_history(tmp_path: Path) -> None:
    dialogue = Sample({"instruction": "And now?", "input": "x", "output": "Yes.", "history": HISTORY})
    for layout in CHAT_LAYOUTS:
        export([dialogue, TASKS[0]], StoredImages([]), tmp_path / layout, layout)
    alpaca = json.loads((tmp_path / "alpaca" / "data.json").read_text(encoding="utf-8"))
    assert [row["history"] for row in alpaca] == [[["Hi.", ODD_TEXT]], []]
    assert [row["instruction"] for row in alpaca] == ["And now?", "Add them."]
    texts = ["Hi.", ODD_TEXT, "And now?\n\nx", "Yes."]
    sharegpt, _ = json.loads((tmp_path / "sharegpt" / "data.json").read_text(encoding="utf-8"))
    assert [(turn["from"], turn["value"]) for turn in sharegpt["conversations"]] == [
        *zip(("human", "gpt") * 2, texts, strict=True)
    ]
    lines = (tmp_path / "messages" / "data.jsonl").read_text(encoding="utf-8").split("\n")
    turns = json.loads(lines[0])["messages"]
    assert [(turn["role"], turn["content"]) for turn in turns] == [*zip(("user", "assistant") * 2, texts, strict=True)]
    with pytest.raises(FieldError):
        export([Sample({**dialogue.fields, "history": "Hi."})], StoredImages([]), tmp_path / "x", "messages")
    assert not (tmp_path / "x").exists()
