"""RewardModel: the loss against Bradley and Terry's by hand, what it leaves, and that it goes on after a kill."""

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
from components.trainers.pair_parts import check_goes_on_after_a_kill, curves, pairs, read_artifact_json, run
from components.trainers.test_trainers_sft import neo, spoilt, uneven
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
    asked = [(*conversation(one), Message("assistant", one.text(side))) for one in samples]
    return [float(one) for one in real_lab().models.reward_model(reference).rewards(asked)]  # type: ignore[arg-type]


def test_leaves_a_model_that_rewards_and_files_beside_it(trained: Artifact, trainer: RewardModel) -> None:
    folder = Path(trained.path)
    assert trained.kind == "reward-model"
    assert trained.digest == weights_digest(folder)
    names = ["curves.json", "held-out.json", "history.json", "model"]
    assert sorted(path.name for path in folder.parent.iterdir()) == names
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    assert model.config.num_labels == 1
    assert AutoTokenizer.from_pretrained(folder).chat_template == checkpoints.CHATML
    assert trainer.base(tiny_lab()) == trainer.model


def test_held_out_margins_are_those_of_the_model_that_was_left(trained: Artifact) -> None:
    learned, held = split_held_out(pairs(), 0.2)
    told = read_artifact_json(trained, "held-out.json")
    assert [(row["id"], row["prompt"]) for row in told] == [(one.id, prompt_digest(one)) for one in held]
    chosen, rejected = (rewards(trained.path, held, side) for side in ("chosen", "rejected"))
    assert [row["after"] for row in told] == pytest.approx([a - b for a, b in zip(chosen, rejected, strict=True)])
    assert sum(chosen) / len(chosen) == pytest.approx(0, abs=1e-6)
    assert trained.facts["held-out pairs"] == len(held) == 2
    assert trained.facts["held-out accuracy"] == accuracy([row["after"] for row in told])
    assert trained.facts["held-out accuracy before"] == accuracy([row["before"] for row in told])
    seen = curves(trained)
    assert seen.steps == tuple(range(7))
    at = [nth for nth, value in enumerate(seen.values["held-out margin"]) if value is not None]
    assert at == [0, 2, 4, 6]
    assert seen.values["held-out margin"][6] == pytest.approx(sum(row["after"] for row in told) / 2)
    assert len(learned) == 8


@pytest.mark.full
def test_what_is_measured_on_the_way_is_what_would_be_left_then(trainer: RewardModel, tmp_path: Path) -> None:
    """A training of six steps looks at its second; one of two steps with the same rates there leaves that model."""
    long = run(replace(trainer, warmup_ratio=1.0), tmp_path / "long")
    short = run(
        replace(trainer, warmup_ratio=1.0, learning_rate=5e-3 * 3 / 7, steps=2, eval_every=0), tmp_path / "short"
    )
    rates = [[row[2] for row in read_artifact_json(one, "history.json")][:2] for one in (long, short)]
    assert rates[0] == pytest.approx(rates[1])
    assert curves(long).values["held-out margin"][2] == pytest.approx(
        curves(short).values["held-out margin"][2], rel=1e-4
    )


def first_losses(model: Path, samples: list[Sample], batch: int, seed: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Rewards of the first step's pairs, each conversation read alone by transformers."""
    start = locate(str(model))
    words = AutoTokenizer.from_pretrained(model)
    rows = pair_rows(samples, PairReader("x", "x", words, 128, margins=True), 0.2).learned
    net = load_with_reward_head(start, words, seed)
    order = row_order([(1.0, range(len(rows)))], seed)
    picked = [rows[next(order)] for _ in range(batch)]
    with torch.inference_mode():
        found = [[net(input_ids=torch.tensor([ids])).logits[0, 0] for ids in (r.chosen, r.rejected)] for r in picked]
    return torch.tensor(found), torch.tensor([row.margin for row in picked])


def llama_uneven(folder: Path) -> Path:
    from transformers import AutoModelForCausalLM

    checkpoints.chat(folder, dtype=torch.float32)
    uneven(AutoModelForCausalLM.from_pretrained(folder)).save_pretrained(folder)
    return folder


@pytest.mark.parametrize("build", [llama_uneven, pytest.param(neo, marks=pytest.mark.full)])
@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.full)])
def test_the_loss_is_that_of_bradley_and_terry(build: Any, method: Any, tmp_path: Path) -> None:
    """LoRA adds nothing before the first step; in one line (Llama) and padded (GPT-Neo)."""
    folder = build(tmp_path / "start")
    own = RewardModel(
        str(folder),
        steps=1,
        batch_size=4,
        max_length=128,
        precision="float32",
        rank=4,
        method=method,
        center_rewards_coefficient=0.0,
    )
    found, margins = first_losses(folder, pairs(), 4)
    apart = found[:, 0] - found[:, 1]
    assert float(apart.abs().min()) > 1e-6
    plain = run(own, tmp_path / "plain")
    assert read_artifact_json(plain, "history.json")[0][1] == pytest.approx(
        float(-apart.sigmoid().log().mean()), rel=1e-5
    )
    seen = curves(plain)
    assert seen.values["margin"][1] == pytest.approx(float(apart.mean()), rel=1e-4)
    assert seen.values["accuracy"][1] == pytest.approx(float((apart > 0).float().mean()))
    wider = run(replace(own, margin=True, center_rewards_coefficient=0.5), tmp_path / "wider")
    expected = -(apart - margins).sigmoid().log().mean() + 0.5 * (found.sum(1) ** 2).mean()
    assert read_artifact_json(wider, "history.json")[0][1] == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.full
@pytest.mark.parametrize(("method", "rate"), [("lora", 5e-3), ("full", 2e-3)])
def test_learns_what_is_preferred(method: Any, rate: float, start: Path, tmp_path: Path) -> None:
    own = RewardModel(str(start), steps=40, batch_size=4, learning_rate=rate, method=method, max_length=128)
    artifact = run(own, tmp_path / "work")
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
    held = [[row["id"] for row in read_artifact_json(one, "held-out.json")] for one in (trained, other)]
    assert held[0] == held[1]


def test_lora_and_the_head_learn_alone(trained: Artifact, trainer: RewardModel, start: Path, tmp_path: Path) -> None:
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
    losses = [[row[1] for row in read_artifact_json(one, "history.json")] for one in (half, trained)]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_training_that_was_killed_goes_on_and_ends_with_the_same_weights(
    method: str, start: Path, tmp_path: Path
) -> None:
    check_goes_on_after_a_kill(RewardModel, start, tmp_path, method)


def test_without_held_out_pairs_nothing_is_said_of_them(trainer: RewardModel, tmp_path: Path) -> None:
    artifact = run(replace(trainer, held_out=0.0), tmp_path / "work")
    assert read_artifact_json(artifact, "held-out.json") == []
    assert artifact.facts["held-out pairs"] == 0
    assert "held-out accuracy" not in artifact.facts
    assert curves(artifact).steps == tuple(range(1, 7))
    assert set(curves(artifact).values) == {"length", "accuracy", "margin"}
    assert sum(rewards(artifact.path, pairs(), "chosen")) == pytest.approx(0, abs=1e-5)


def test_the_libraries_say_nothing_and_send_nothing(
    start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl.trainer import base_trainer

    sent: list[object] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base_trainer, "send_telemetry", lambda *_, **told: sent.append(told))
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    run(RewardModel(str(start), steps=2, batch_size=2, save_every=1), tmp_path / "work")
    assert capfd.readouterr() == ("", "")
    assert not sent
    assert torch.equal(torch.random.get_rng_state(), state)


def test_mistakes_are_named(start: Path, tmp_path: Path) -> None:
    lab, own = tiny_lab(tmp_path), RewardModel(str(start))
    own.check((), lab)
    with raises(RecipeError, name="RewardModel", samples=0):
        own.train([], lab)
    with raises(RecipeError, name="RewardModel.rank", value=17):
        replace(own, rank=17).check((), lab)
    with raises(RecipeError, name="RewardModel.max_length", value=513):
        replace(own, max_length=513).check((), lab)
    with pytest.raises(ModelError, match="ForCausalLM"):
        RewardModel(str(checkpoints.bert(tmp_path / "bert"))).check((), lab)
    with raises(ModelError, name="chat_template", model=str(tmp_path / "silent")):
        RewardModel(str(checkpoints.chat(tmp_path / "silent", template=None))).check((), lab)
    equal = [Sample({**one.fields, "rejected": one.text("chosen")}) for one in pairs()]
    with raises(RecipeError, name="RewardModel", dropped={"equal answers": 10}):
        own.train(equal, lab)
    with raises(RecipeError, step=1) as caught:
        run(RewardModel(str(spoilt(start, tmp_path / "spoilt")), steps=2, held_out=0.0), tmp_path / "work")
    assert str(caught.value.fields["loss"]) == "nan"
    assert own.usable(pairs()[0])
    assert not own.usable(equal[0])


@pytest.mark.parametrize(
    ("arguments", "said"),
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
def test_wrong_arguments_are_refused_when_it_is_built(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        RewardModel(**arguments)
