"""DPO: initial losses, margins and KL divergence by plain torch, resume, and invalid arguments."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import checkpoints
from assay.components.trainers.checks import split_held_out, weights_digest
from assay.components.trainers.preference.dpo import DPO, Loss
from assay.components.trainers.preference.rows import PairReader, PairRow, accuracy, pair_rows
from assay.components.trainers.sft.rows import row_order
from assay.core.errors import ModelError, RecipeError
from assay.core.roles import Artifact
from assay.core.sample import Sample
from components.trainers.pair_parts import check_resume_after_kill, curves, pairs, read_artifact_json, run
from components.trainers.test_trainers_sft import gpt_neo, model_with_nan
from error_fields import raises
from labs import tiny_lab


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.chat(tmp_path_factory.mktemp("start") / "chat", dtype=torch.float32)


@pytest.fixture(scope="module")
def trainer(start: Path) -> DPO:
    return DPO(str(start), steps=6, batch_size=3, learning_rate=5e-3, max_length=128, precision="float32", eval_every=2)


@pytest.fixture(scope="module")
def trained(trainer: DPO, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return run(trainer, tmp_path_factory.mktemp("arm") / "work")


def rows_of(model: Path, samples: Sequence[Sample]) -> tuple[PairRow, ...]:
    tokenizer = AutoTokenizer.from_pretrained(model)
    return pair_rows(samples, PairReader("x", "x", tokenizer, 128), 0.0).learned


def log_probs(model: Path | str, ids: Sequence[int], start: int) -> torch.Tensor:
    """Log-probabilities at each token of an answer, (tokens, vocabulary)."""
    net = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    with torch.inference_mode():
        values: torch.Tensor = net(input_ids=torch.tensor([list(ids)])).logits[0, start - 1 : -1].log_softmax(-1)
    return values


def log_ratio(policy: Path | str, reference: Path, ids: Sequence[int], start: int) -> float:
    answer = torch.tensor(ids[start:])[:, None]
    policy_sum, reference_sum = (log_probs(model, ids, start).gather(1, answer).sum() for model in (policy, reference))
    return float(policy_sum - reference_sum)


def test_output_files(trained: Artifact, trainer: DPO) -> None:
    folder = Path(trained.path)
    assert trained.kind == "text-model"
    assert trained.digest == weights_digest(folder)
    names = ["curves.json", "held-out.json", "history.json", "model"]
    assert sorted(path.name for path in folder.parent.iterdir()) == names
    assert AutoTokenizer.from_pretrained(folder).chat_template == checkpoints.CHATML
    assert trainer.base(tiny_lab()) == trainer.model


def test_held_out_margins_equal_those_of_the_saved_model(
    trained: Artifact, trainer: DPO, start: Path, tmp_path: Path
) -> None:
    full = run(replace(trainer, method="full", learning_rate=5e-4, beta=0.3), tmp_path / "full")
    _, held = split_held_out(pairs(), 0.2)
    for artifact, beta in ((trained, 0.1), (full, 0.3)):
        rows = read_artifact_json(artifact, "held-out.json")
        assert [row["id"] for row in rows] == [sample.id for sample in held]
        assert [row["before"] for row in rows] == [0, 0]
        expected = [
            beta
            * (
                log_ratio(artifact.path, start, row.chosen, row.start)
                - log_ratio(artifact.path, start, row.rejected, row.start)
            )
            for row in rows_of(start, held)
        ]
        assert [row["after"] for row in rows] == pytest.approx(expected, rel=1e-3)
        assert artifact.facts["held-out accuracy"] == accuracy(expected)
        assert artifact.facts["held-out accuracy before"] == 0.5
        held_out_margins = curves(artifact).values["held-out margin"]
        assert [nth for nth, value in enumerate(held_out_margins) if value is not None] == [0, 2, 4, 6]
        assert held_out_margins[6] == pytest.approx(sum(expected) / 2, rel=1e-3)


@pytest.mark.parametrize("build", [checkpoints.chat, pytest.param(gpt_neo, marks=pytest.mark.full)])
@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.full)])
def test_metrics_of_a_step_equal_those_of_the_model_at_that_step(build: Any, method: Any, tmp_path: Path) -> None:
    """The third step uses the model that a training of two steps saves. Packed rows and padded rows."""
    folder = build(tmp_path / "start") if build is gpt_neo else build(tmp_path / "start", dtype=torch.float32)
    trainer = DPO(
        str(folder),
        steps=3,
        batch_size=4,
        max_length=128,
        precision="float32",
        rank=4,
        method=method,
        warmup_ratio=1.0,
        held_out=0.0,
    )
    trainer = replace(trainer, learning_rate=8e-3 if method == "lora" else 8e-4)
    long = run(trainer, tmp_path / "long")
    short = run(replace(trainer, steps=2, learning_rate=trainer.learning_rate * 3 / 4), tmp_path / "short")
    rates = [[row[2] for row in read_artifact_json(artifact, "history.json")][:2] for artifact in (long, short)]
    assert rates[0] == pytest.approx(rates[1])
    rows, order = rows_of(folder, pairs()), row_order([(1.0, range(10))], 7)
    places = [next(order) for _ in range(12)][8:]
    chosen = [0.1 * log_ratio(short.path, folder, rows[place].chosen, rows[place].start) for place in places]
    rejected = [0.1 * log_ratio(short.path, folder, rows[place].rejected, rows[place].start) for place in places]
    margins = [a - b for a, b in zip(chosen, rejected, strict=True)]
    kl = 0.0
    for place in places:
        policy, reference = (log_probs(path, rows[place].chosen, rows[place].start) for path in (short.path, folder))
        kl += float((policy.exp() * (policy - reference)).sum()) / 4
    expected = {
        "chosen": sum(chosen) / 4,
        "rejected": sum(rejected) / 4,
        "margin": sum(margins) / 4,
        "accuracy": accuracy(margins),
        "kl": kl,
        "length": sum(len(rows[place].chosen) - rows[place].start for place in places) / 4,
    }
    assert kl > 1e-4
    values = curves(long).values
    assert set(values) == set(expected)
    for name, value in expected.items():
        assert values[name][2] == pytest.approx(value, rel=1e-2, abs=1e-5), name
    loss = sum(-math.log(1 / (1 + math.exp(-margin))) for margin in margins) / 4
    assert read_artifact_json(long, "history.json")[2][1] == pytest.approx(loss, rel=1e-4)


LOG2 = math.log(2)
FIRST_LOSS: dict[str, float] = {
    "sigmoid": LOG2,
    "hinge": 1.0,
    "ipo": 25.0,
    "robust": LOG2,
    "exo_pair": 0.5 * (math.log(0.5) - math.log(0.9)) + 0.5 * (math.log(0.5) - math.log(0.1)),
    "nca_pair": 2 * LOG2,
    "bco_pair": 2 * LOG2,
    "sppo_hard": 50.0,
    "aot": LOG2,
    "aot_unpaired": LOG2,
    "apo_zero": 1.0,
    "apo_down": 1.0,
    "discopop": 0.5 * LOG2 + 0.5,
    "sigmoid_norm": LOG2,
}
"""First loss with beta 0.1, where the policy equals the reference and all margins are 0."""


@pytest.mark.parametrize("loss", get_args(Loss))
def test_every_loss_starts_at_its_known_value_and_decreases(loss: Any, start: Path, tmp_path: Path) -> None:
    smoothing = 0.1 if loss in ("exo_pair", "robust") else 0.0
    trainer = DPO(
        str(start),
        steps=4,
        batch_size=8,
        learning_rate=2e-3,
        loss_type=loss,
        label_smoothing=smoothing,
        max_length=128,
        warmup_ratio=0.0,
    )
    losses = [row[1] for row in read_artifact_json(run(trainer, tmp_path / "work"), "history.json")]
    assert losses[0] == pytest.approx(FIRST_LOSS[loss], rel=1e-4)
    assert losses[-1] < losses[0]


def test_label_smoothing_equals_conservative_dpo(trainer: DPO, trained: Artifact, tmp_path: Path) -> None:
    """With one pair per step, the loss is (1 - e) l(d) + e l(-d) of the logged margin d."""
    smoothed = replace(trainer, batch_size=1, label_smoothing=0.2)
    artifact = run(smoothed, tmp_path / "smoothed")
    margins = curves(artifact).values["margin"][1:]
    losses = [row[1] for row in read_artifact_json(artifact, "history.json")]
    expected = [0.8 * math.log1p(math.exp(-d)) + 0.2 * math.log1p(math.exp(d)) for d in margins if d is not None]
    assert losses == pytest.approx(expected, rel=1e-4)
    assert max(abs(d) for d in margins if d is not None) > 0.1
    sure = run(replace(smoothed, label_smoothing=0.0), tmp_path / "sure")
    assert sure.digest != artifact.digest


@pytest.mark.full
@pytest.mark.parametrize(("method", "rate"), [("lora", 5e-3), ("full", 1e-3)])
def test_learns_preferences(method: Any, rate: float, start: Path, tmp_path: Path) -> None:
    trainer = DPO(str(start), steps=30, batch_size=4, learning_rate=rate, method=method, max_length=128)
    artifact = run(trainer, tmp_path / "work")
    assert artifact.facts["held-out accuracy"] == 1
    assert all(row["after"] > 0.5 for row in read_artifact_json(artifact, "held-out.json"))
    assert curves(artifact).values["accuracy"][1] == 0.5


def test_same_seed_same_weights(trainer: DPO, trained: Artifact, tmp_path: Path) -> None:
    again = run(trainer, tmp_path / "again")
    assert (again.digest, again.facts) == (trained.digest, trained.facts)
    assert curves(again) == curves(trained)
    assert run(trainer, tmp_path / "other", seed=8).digest != trained.digest


def test_lora_changes_only_adapted_weights(trained: Artifact, start: Path) -> None:
    before, after = (load_file(Path(path) / "model.safetensors") for path in (start, trained.path))
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert same == {name for name in before if "norm" in name or "embed" in name}


@pytest.mark.full
def test_bfloat16_is_near_float32(trainer: DPO, trained: Artifact, tmp_path: Path) -> None:
    half = run(replace(trainer, precision="bfloat16"), tmp_path / "half")
    assert half.digest != trained.digest
    losses = [[row[1] for row in read_artifact_json(artifact, "history.json")] for artifact in (half, trained)]
    assert losses[0][0] == pytest.approx(LOG2)
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_killed_training_resumes_to_the_same_weights(method: str, start: Path, tmp_path: Path) -> None:
    check_resume_after_kill(DPO, start, tmp_path, method)


def test_no_output_and_no_telemetry(
    start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl.trainer import base_trainer

    sent: list[object] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base_trainer, "send_telemetry", lambda *_, **payload: sent.append(payload))
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    run(DPO(str(start), steps=2, batch_size=2, save_every=1), tmp_path / "work")
    assert capfd.readouterr() == ("", "")
    assert not sent
    assert torch.equal(torch.random.get_rng_state(), state)


def test_invalid_input_raises(start: Path, tmp_path: Path) -> None:
    lab, trainer = tiny_lab(tmp_path), DPO(str(start))
    trainer.check((), lab)
    with raises(RecipeError, name="DPO", samples=0):
        trainer.train([], lab)
    with raises(RecipeError, name="DPO.max_length", value=513):
        replace(trainer, max_length=513).check((), lab)
    with pytest.raises(ModelError, match="ForCausalLM"):
        DPO(str(checkpoints.bert(tmp_path / "bert"))).check((), lab)
    ties = [Sample({**sample.fields, "verdict": "tie"}) for sample in pairs()]
    with raises(RecipeError, name="DPO", dropped={"unpreferred": 10}):
        trainer.train(ties, lab)
    with raises(RecipeError, step=1) as caught:
        run(DPO(str(model_with_nan(start, tmp_path / "model_with_nan")), steps=2), tmp_path / "work")
    assert str(caught.value.fields["loss"]) == "nan"
    assert trainer.usable(pairs()[0])
    assert not trainer.usable(ties[0])


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"steps": 0}, r"DPO\.steps .*\b1\b.*\b1e\+09\b.*\b0\b"),
        ({"beta": 0.0}, r"DPO\.beta .*\b1e-06\b.*\b0\b"),
        ({"label_smoothing": 0.5}, r"DPO\.label_smoothing .*\b0\b.*\b0\.49\b.*\b0\.5\b"),
        ({"label_smoothing": 0.1, "loss_type": "ipo"}, r"DPO\.label_smoothing .*\b0\b.*'ipo'.*\b0\.1\b"),
        ({"loss_type": "exo_pair"}, r"DPO\.label_smoothing .*\b0\b.*'exo_pair'"),
        ({"loss_type": "kto"}, r"DPO\.loss_type .*\bsigmoid\b.*'kto'"),
        ({"method": "qlora"}, r"DPO\.method .*\blora, full.*'qlora'"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: dict[str, Any], pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        DPO(**arguments)
