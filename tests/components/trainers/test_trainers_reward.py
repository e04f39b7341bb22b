"""RewardModel: loss of Bradley and Terry by hand, output files, resume after a kill, and invalid arguments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import checkpoints
from assay.components.trainers.checks import prompt_digest, split_held_out, weights_digest
from assay.components.trainers.preference.reward import RewardModel
from assay.components.trainers.preference.reward_loop import load_with_reward_head
from assay.components.trainers.preference.rows import PairReader, accuracy, pair_rows
from assay.components.trainers.sft.rows import row_order
from assay.core.completions import Message
from assay.core.errors import ModelError, RecipeError
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.models.references import locate
from assay.text.instructions.dialogues import conversation
from components.trainers.pair_parts import check_resume_after_kill, curves, pairs, read_artifact_json, run
from components.trainers.test_trainers_sft import gpt_neo, model_with_nan, with_large_weights
from error_fields import raises
from labs import real_lab, tiny_lab


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.chat(tmp_path_factory.mktemp("start") / "chat", dtype=torch.float32)


@pytest.fixture(scope="module")
def trainer(start: Path) -> RewardModel:
    return RewardModel(
        str(start),
        steps=6,
        batch_size=3,
        learning_rate=5e-3,
        max_length=128,
        precision="float32",
        eval_every=2,
        center_rewards_coefficient=0.0,
    )


@pytest.fixture(scope="module")
def trained(trainer: RewardModel, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return run(trainer, tmp_path_factory.mktemp("arm") / "work")


def rewards(reference: str, samples: list[Sample], side: str) -> list[float]:
    conversations = [(*conversation(sample), Message("assistant", sample.text(side))) for sample in samples]
    return [float(reward) for reward in real_lab().models.reward_model(reference).rewards(conversations)]  # type: ignore[arg-type]


def test_output_files(trained: Artifact, trainer: RewardModel) -> None:
    folder = Path(trained.path)
    assert trained.kind == "reward-model"
    assert trained.digest == weights_digest(folder)
    names = ["curves.json", "held-out.json", "history.json", "model"]
    assert sorted(path.name for path in folder.parent.iterdir()) == names
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.num_labels == 1
    assert AutoTokenizer.from_pretrained(folder).chat_template == checkpoints.CHATML
    assert trainer.base(tiny_lab()) == trainer.model


def test_held_out_margins_equal_those_of_the_saved_model(trained: Artifact) -> None:
    learned, held = split_held_out(pairs(), 0.2)
    rows = read_artifact_json(trained, "held-out.json")
    assert [(row["id"], row["prompt"]) for row in rows] == [(sample.id, prompt_digest(sample)) for sample in held]
    chosen, rejected = (rewards(trained.path, held, side) for side in ("chosen", "rejected"))
    assert [row["after"] for row in rows] == pytest.approx([a - b for a, b in zip(chosen, rejected, strict=True)])
    assert sum(chosen) / len(chosen) == pytest.approx(0, abs=1e-6)
    assert trained.facts["held-out pairs"] == len(held) == 2
    assert trained.facts["held-out accuracy"] == accuracy([row["after"] for row in rows])
    assert trained.facts["held-out accuracy before"] == accuracy([row["before"] for row in rows])
    metrics = curves(trained)
    assert metrics.steps == tuple(range(7))
    steps = [nth for nth, value in enumerate(metrics.values["held-out margin"]) if value is not None]
    assert steps == [0, 2, 4, 6]
    assert metrics.values["held-out margin"][6] == pytest.approx(sum(row["after"] for row in rows) / 2)
    assert len(learned) == 8


@pytest.mark.full
def test_intermediate_evaluation_equals_a_shorter_training(trainer: RewardModel, tmp_path: Path) -> None:
    """The metrics at step 2 of 6 equal those of a training of two steps with the same learning rates."""
    long = run(replace(trainer, warmup_ratio=1.0), tmp_path / "long")
    short = run(
        replace(trainer, warmup_ratio=1.0, learning_rate=5e-3 * 3 / 7, steps=2, eval_every=0), tmp_path / "short"
    )
    rates = [[row[2] for row in read_artifact_json(artifact, "history.json")][:2] for artifact in (long, short)]
    assert rates[0] == pytest.approx(rates[1])
    assert curves(long).values["held-out margin"][2] == pytest.approx(
        curves(short).values["held-out margin"][2], rel=1e-4
    )


def first_rewards(model: Path, samples: list[Sample], batch: int, seed: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Rewards and margins of the first step's pairs, each conversation computed alone by transformers."""
    start = locate(str(model))
    tokenizer = AutoTokenizer.from_pretrained(model)
    rows = pair_rows(samples, PairReader("x", "x", tokenizer, 128, margins=True), 0.2).learned
    net = load_with_reward_head(start, tokenizer, seed)
    order = row_order([(1.0, range(len(rows)))], seed)
    batch_rows = [rows[next(order)] for _ in range(batch)]
    with torch.inference_mode():
        values = [
            [net(input_ids=torch.tensor([ids])).logits[0, 0] for ids in (r.chosen, r.rejected)] for r in batch_rows
        ]
    return torch.tensor(values), torch.tensor([row.margin for row in batch_rows])


def llama_with_large_weights(folder: Path) -> Path:
    from transformers import AutoModelForCausalLM

    checkpoints.chat(folder, dtype=torch.float32)
    with_large_weights(AutoModelForCausalLM.from_pretrained(folder)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("build", [llama_with_large_weights, pytest.param(gpt_neo, marks=pytest.mark.full)])
@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.full)])
def test_loss_of_bradley_and_terry(build: Any, method: Any, tmp_path: Path) -> None:
    """LoRA adds nothing before the first step. Packed rows (Llama) and padded rows (GPT-Neo)."""
    folder = build(tmp_path / "start")
    trainer = RewardModel(
        str(folder),
        steps=1,
        batch_size=4,
        max_length=128,
        precision="float32",
        rank=4,
        method=method,
        center_rewards_coefficient=0.0,
    )
    values, margins = first_rewards(folder, pairs(), 4)
    differences = values[:, 0] - values[:, 1]
    assert float(differences.abs().min()) > 1e-6
    plain = run(trainer, tmp_path / "plain")
    assert read_artifact_json(plain, "history.json")[0][1] == pytest.approx(
        float(-differences.sigmoid().log().mean()), rel=1e-5
    )
    metrics = curves(plain)
    assert metrics.values["margin"][1] == pytest.approx(float(differences.mean()), rel=1e-4)
    assert metrics.values["accuracy"][1] == pytest.approx(float((differences > 0).float().mean()))
    wider = run(replace(trainer, margin=True, center_rewards_coefficient=0.5), tmp_path / "wider")
    expected = -(differences - margins).sigmoid().log().mean() + 0.5 * (values.sum(1) ** 2).mean()
    assert read_artifact_json(wider, "history.json")[0][1] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.full
@pytest.mark.parametrize(("method", "rate"), [("lora", 5e-3), ("full", 2e-3)])
def test_learns_preferences(method: Any, rate: float, start: Path, tmp_path: Path) -> None:
    trainer = RewardModel(str(start), steps=40, batch_size=4, learning_rate=rate, method=method, max_length=128)
    artifact = run(trainer, tmp_path / "work")
    assert artifact.facts["held-out accuracy"] == 1
    assert all(row["after"] > 1 for row in read_artifact_json(artifact, "held-out.json"))
    new = [Sample({"instruction": "Say cloud.", "chosen": "cloud, please", "rejected": "cloud now"})]
    assert rewards(artifact.path, new, "chosen") > rewards(artifact.path, new, "rejected")


def test_same_seed_same_weights(trainer: RewardModel, trained: Artifact, tmp_path: Path) -> None:
    again = run(trainer, tmp_path / "again")
    assert (again.digest, again.facts) == (trained.digest, trained.facts)
    assert curves(again) == curves(trained)
    other = run(trainer, tmp_path / "other", seed=8)
    assert other.digest != trained.digest
    held = [[row["id"] for row in read_artifact_json(artifact, "held-out.json")] for artifact in (trained, other)]
    assert held[0] == held[1]


def test_lora_and_head_are_trained_alone(trained: Artifact, trainer: RewardModel, start: Path, tmp_path: Path) -> None:
    before, after = (load_file(Path(path) / "model.safetensors") for path in (start, trained.path))
    same = {name for name, value in after.items() if name in before and torch.equal(value, before[name])}
    assert same == {name for name in after if "norm" in name or "embed" in name}
    assert "score.weight" in after
    # Rank 16 on seven matrices in each of two layers, and the head of 32.
    assert trained.facts["trained parameters"] == 2 * 16 * (2 * 64 + 2 * 48 + 3 * 96) + 32
    full = run(replace(trainer, method="full", learning_rate=5e-4), tmp_path / "full")
    assert full.facts["trained parameters"] == sum(value.numel() for value in after.values())


@pytest.mark.full
def test_bfloat16_is_near_float32(trainer: RewardModel, trained: Artifact, tmp_path: Path) -> None:
    half = run(replace(trainer, precision="bfloat16"), tmp_path / "half")
    assert half.digest != trained.digest
    losses = [[row[1] for row in read_artifact_json(artifact, "history.json")] for artifact in (half, trained)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_killed_training_resumes_to_the_same_weights(method: str, start: Path, tmp_path: Path) -> None:
    check_resume_after_kill(RewardModel, start, tmp_path, method)


def test_without_held_out_pairs(trainer: RewardModel, tmp_path: Path) -> None:
    artifact = run(replace(trainer, held_out=0.0), tmp_path / "work")
    assert read_artifact_json(artifact, "held-out.json") == []
    assert artifact.facts["held-out pairs"] == 0
    assert "held-out accuracy" not in artifact.facts
    assert curves(artifact).steps == tuple(range(1, 7))
    assert set(curves(artifact).values) == {"length", "accuracy", "margin"}
    assert sum(rewards(artifact.path, pairs(), "chosen")) == pytest.approx(0, abs=1e-5)


def test_no_output_and_no_telemetry(
    start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl.trainer import base_trainer

    sent: list[object] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base_trainer, "send_telemetry", lambda *_, **payload: sent.append(payload))
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    run(RewardModel(str(start), steps=2, batch_size=2, save_every=1), tmp_path / "work")
    assert capfd.readouterr() == ("", "")
    assert not sent
    assert torch.equal(torch.random.get_rng_state(), state)


def test_invalid_input_raises(start: Path, tmp_path: Path) -> None:
    lab, trainer = tiny_lab(tmp_path), RewardModel(str(start))
    trainer.check((), lab)
    with raises(RecipeError, name="RewardModel", samples=0):
        trainer.train([], lab)
    with raises(RecipeError, name="RewardModel.rank", value=17):
        replace(trainer, rank=17).check((), lab)
    with raises(RecipeError, name="RewardModel.max_length", value=513):
        replace(trainer, max_length=513).check((), lab)
    with pytest.raises(ModelError, match="ForCausalLM"):
        RewardModel(str(checkpoints.bert(tmp_path / "bert"))).check((), lab)
    with raises(ModelError, name="chat_template", model=str(tmp_path / "silent")):
        RewardModel(str(checkpoints.chat(tmp_path / "silent", template=None))).check((), lab)
    equal = [Sample({**sample.fields, "rejected": sample.text("chosen")}) for sample in pairs()]
    with raises(RecipeError, name="RewardModel", dropped={"equal answers": 10}):
        trainer.train(equal, lab)
    with raises(RecipeError, step=1) as caught:
        run(
            RewardModel(str(model_with_nan(start, tmp_path / "model_with_nan")), steps=2, held_out=0.0),
            tmp_path / "work",
        )
    assert str(caught.value.fields["loss"]) == "nan"
    assert trainer.usable(pairs()[0])
    assert not trainer.usable(equal[0])


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"steps": 0}, r"RewardModel\.steps .*\b1\b.*\b1e\+09\b.*\b0\b"),
        ({"learning_rate": float("nan")}, r"RewardModel\.learning_rate .*\bnan\b"),
        ({"center_rewards_coefficient": -0.1}, r"RewardModel\.center_rewards_coefficient .*\b0\b.*\-0\.1\b"),
        ({"held_out": 1.0}, r"RewardModel\.held_out .*\b0\b.*\b0\.9\b.*\b1\b"),
        ({"eval_every": -1}, r"RewardModel\.eval_every .*\b0\b.*\-1\b"),
        ({"method": "qlora"}, r"RewardModel\.method .*\blora, full.*'qlora'"),
        ({"precision": "float16"}, r"RewardModel\.precision .*\bauto, bfloat16, float32.*'float16'"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: dict[str, Any], pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        RewardModel(**arguments)
