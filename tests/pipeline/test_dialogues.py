"""Alignment on dialogues as for LLaMA-2: SFT, reward model, best of k answers, DPO, and evaluation of every model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml

import checkpoints
from assay.components.trainers.checks import prompt_digest
from assay.core.sample import Sample
from assay.pipeline.recipe.codec import load
from assay.pipeline.stages.parts import parts, samples_of
from assay.report.api import report
from assay.store.export.export import export
from assay.store.images import StoredImages
from assay.store.rows import read_decisions, read_results
from assay.text.instructions.dialogues import history_messages
from command_line import called
from run_parts import folder_of, run

THINGS = ("key", "lamp", "boat", "bread", "coat", "map", "cup", "hat")
SYSTEM = "You are kind."


def chat(thing: str) -> dict[str, object]:
    """Dialogue whose last question needs the turns before: "it" is the thing."""
    turns = [f"I lost my {thing}.", f"Your {thing}? Oh.", "Where is it?", f"The {thing} is here."]
    messages = [{"role": ("user", "assistant")[nth % 2], "content": text} for nth, text in enumerate(turns)]
    return {"messages": [{"role": "system", "content": SYSTEM}, *messages]}


def hh_rlhf_row(thing: str) -> dict[str, str]:
    """Preference pair in the format of HH-RLHF."""
    before = f"\n\nHuman: I lost my {thing}.\n\nAssistant: Oh.\n\nHuman: Where is it?\n\nAssistant:"
    return {"chosen": f"{before} The {thing} is here.", "rejected": f"{before} No.", "margin": "0.5"}


def write_jsonl(path: Path, rows: list[dict[str, object]] | list[dict[str, str]]) -> str:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return str(path)


@pytest.fixture(scope="module")
def dialogues_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dialogues")
    start = str(checkpoints.chat(folder / "start", dtype=torch.float32, max_position_embeddings=4096))
    chats = {"use": "SeedTasks", "path": write_jsonl(folder / "chats.jsonl", [chat(thing) for thing in THINGS])}
    pairs = {
        "use": "PreferencePairs",
        "path": write_jsonl(folder / "pairs.jsonl", [hh_rlhf_row(thing) for thing in THINGS]),
    }
    likeness = {"use": "ChrF", "references": ["output"]}
    recipe = {
        "name": "dialogues",
        "question": "Does a chat model answer better by the best of its own answers, or by DPO?",
        "models": {
            "sft": {
                "train": {"use": "SFT", "model": start, "steps": 4, "batch_size": 2, "max_length": 256}, "data": chats,
            },
            "reward": {
                "train": {"use": "RewardModel", "model": "trained:sft", "steps": 4, "max_length": 256, "margin": True},
                "data": pairs,
            },
        },
        "generate": {
            "use": "Preferences",
            "prompts": chats,
            "answerers": {"chat": {"model": "trained:sft", "decoding": {"strategy": "sample", "max_tokens": 8}}},
            "answers": 4,
            "rank": {"reward": {"use": "Reward", "model": "trained:reward"}},
            "pairs": "best-worst",
        },
        "keep": [{"use": "ClearPreference"}],
        "train": {"use": "DPO", "model": "trained:sft", "steps": 4, "batch_size": 2, "max_length": 256},
        "prove": {
            "holdout": {"use": "SeedTasks", "path": write_jsonl(folder / "held.jsonl", [chat("dog"), chat("cat")])},
            "evaluate": {"use": "Answers", "by": likeness, "decoding": {"max_tokens": 8}},
            "variants": {
                "dpo": {},
                "best": {
                    "use": "SFT", "model": "trained:sft", "output": "chosen", "steps": 4, "batch_size": 2,
                    "max_length": 256,
                },
            },
            "measures": {"reward": {"use": "Reward", "model": "trained:reward"}},
            "duel": {"use": "PairJudge", "model": start, "by": "likelihood"},
            "against": "sft",
            "arms": ["base", "sft", "best", "dpo"],
            "answer": ["best", "sft"],
        },
    }  # fmt: skip
    path = folder / "dialogues.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    run(load(str(path)), folder / "run")
    report(folder / "run")
    return folder


def test_each_dialogue_gives_its_best_and_its_worst_answer(dialogues_folder: Path) -> None:
    samples = samples_of(folder_of(dialogues_folder / "run", "generate"))
    decisions = read_decisions(folder_of(dialogues_folder / "run", "keep") / "decisions.parquet")
    kept = [sample for sample, row in zip(samples, decisions, strict=True) if row.keep]
    assert len(kept) > 2
    assert len({prompt_digest(sample) for sample in kept}) == len(kept)  # LLaMA-2: the one best answer of a prompt
    for sample, thing in zip(samples, THINGS, strict=True):
        assert [turn.text for turn in history_messages(sample)] == [
            f"{SYSTEM}\n\nI lost my {thing}.",
            f"Your {thing}? Oh.",
        ]
        assert sample.text("instruction") == "Where is it?"
    for sample in kept:
        ranking = json.loads(sample.text("rankings"))["reward"]
        assert ranking["chosen"] > ranking["rejected"]


def test_every_arm_is_compared_by_the_judge(dialogues_folder: Path) -> None:
    report_data = report(dialogues_folder / "run").facts
    assert [arm.name for arm in report_data.arms] == ["base", "sft", "best", "dpo"]
    assert {comparison.ours for comparison in report_data.pairwise_comparisons} == {"base", "best", "dpo"}
    rows = [row for path in parts(folder_of(dialogues_folder / "run", "duel")) for row in read_results(path)]
    assert {row.arm for row in rows} == {"base", "best", "dpo"}
    assert report_data.preference_pairs is not None
    assert report_data.leakage[0].exact == 0  # the same last words, of another thing


def test_the_page_shows_the_conversation_before_a_task(dialogues_folder: Path) -> None:
    page = (dialogues_folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "I lost my dog." in page  # above the answers to a held-out dialogue
    assert any(f"Assistant: Your {thing}? Oh." in page for thing in THINGS)  # of a pair
    results = json.loads((dialogues_folder / "run" / "results.json").read_text(encoding="utf-8"))
    assert results["example_answers"][0]["before"].startswith("User: You are kind.")


def test_exports_contain_whole_dialogues(dialogues_folder: Path, tmp_path: Path) -> None:
    result = called(["export", dialogues_folder / "run", tmp_path / "pairs", "--to", "preference"])
    assert result.returncode == 0, result.stderr
    rows = [json.loads(line) for line in (tmp_path / "pairs" / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {len(row["prompt"]) for row in rows} == {3}
    samples: list[Sample] = list(samples_of(folder_of(dialogues_folder / "run", "generate")))
    export(samples, StoredImages([]), tmp_path / "chats", "messages")
    rows = [json.loads(line) for line in (tmp_path / "chats" / "data.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {len(row["messages"]) for row in rows} == {4}
