"""DPO: every loss where the model is the reference, margins and divergence by plain torch, resume, and mistakes."""

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
from components.trainers.pair_parts import check_goes_on_after_a_kill, curves, pairs, read_artifact_json, run
from components.trainers.test_trainers_sft import neo, spoilt
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
    words = AutoTokenizer.from_pretrained(model)
    return pair_rows(samples, PairReader("x", "x", words, 128), 0.0).learned


def log_probs(model: Path | str, ids: Sequence[int], start: int) -> torch.Tensor:
    """Of every word at each place of an answer, (tokens, words)."""
    net = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
    with torch.inference_mode():
        found: torch.Tensor = net(input_ids=torch.tensor([list(ids)])).logits[0, start - 1 : -1].log_softmax(-1)
    return found


def ratio(policy: Path | str, reference: Path, ids: Sequence[int], start: int) -> float:
    answer = torch.tensor(ids[start:])[:, None]
    one, two = (log_probs(model, ids, start).gather(1, answer).sum() for model in (policy, reference))
    return float(one - two)


def test_leaves_a_model_that_opens_and_files_beside_it(trained: Artifact, trainer: DPO) -> None:
    folder = Path(trained.path)
    assert trained.kind == "text-model"
    assert trained.digest == weights_digest(folder)
    names = ["curves.json", "held-out.json", "history.json", "model"]
    assert sorted(path.name for path in folder.parent.iterdir()) == names
    assert AutoTokenizer.from_pretrained(folder).chat_template == checkpoints.CHATML
    assert trainer.base(tiny_lab()) == trainer.model


def test_held_out_margins_are_those_of_the_model_that_was_left(
    trained: Artifact, trainer: DPO, start: Path, tmp_path: Path
) -> None:
    full = run(replace(trainer, method="full", learning_rate=5e-4, beta=0.3), tmp_path / "full")
    _, held = split_held_out(pairs(), 0.2)
    for artifact, beta in ((trained, 0.1), (full, 0.3)):
        told = read_artifact_json(artifact, "held-out.json")
        assert [row["id"] for row in told] == [one.id for one in held]
        assert [row["before"] for row in told] == [0, 0]
        expected = [
            beta
            * (
                ratio(artifact.path, start, row.chosen, row.start)
                - ratio(artifact.path, start, row.rejected, row.start)
            )
            for row in rows_of(start, held)
        ]
        assert [row["after"] for row in told] == pytest.approx(expected, rel=1e-3)
        assert artifact.facts["held-out accuracy"] == accuracy(expected)
        assert artifact.facts["held-out accuracy before"] == 0.5
        seen = curves(artifact).values["held-out margin"]
        assert [nth for nth, value in enumerate(seen) if value is not None] == [0, 2, 4, 6]
        assert seen[6] == pytest.approx(sum(expected) / 2, rel=1e-3)


@pytest.mark.parametrize("build", [checkpoints.chat, pytest.param(neo, marks=pytest.mark.full)])
@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.full)])
def test_what_is_noted_of_a_step_is_so_of_the_model_at_that_time(build: Any, method: Any, tmp_path: Path) -> None:
    """The third step of a training sees the model that one of two steps leaves. In a line, and padded."""
    folder = build(tmp_path / "start") if build is neo else build(tmp_path / "start", dtype=torch.float32)
    own = DPO(
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
    own = replace(own, learning_rate=8e-3 if method == "lora" else 8e-4)
    long = run(own, tmp_path / "long")
    short = run(replace(own, steps=2, learning_rate=own.learning_rate * 3 / 4), tmp_path / "short")
    rates = [[row[2] for row in read_artifact_json(one, "history.json")][:2] for one in (long, short)]
    assert rates[0] == pytest.approx(rates[1])
    rows, order = rows_of(folder, pairs()), row_order([(1.0, range(10))], 7)
    places = [next(order) for _ in range(12)][8:]
    chosen = [0.1 * ratio(short.path, folder, rows[place].chosen, rows[place].start) for place in places]
    rejected = [0.1 * ratio(short.path, folder, rows[place].rejected, rows[place].start) for place in places]
    apart = [one - two for one, two in zip(chosen, rejected, strict=True)]
    kl = 0.0
    for place in places:
        policy, reference = (log_probs(one, rows[place].chosen, rows[place].start) for one in (short.path, folder))
        kl += float((policy.exp() * (policy - reference)).sum()) / 4
    expected = {
        "chosen": sum(chosen) / 4,
        "rejected": sum(rejected) / 4,
        "margin": sum(apart) / 4,
        "accuracy": accuracy(apart),
        "kl": kl,
        "length": sum(len(rows[place].chosen) - rows[place].start for place in places) / 4,
    }
    assert kl > 1e-4
    seen = curves(long).values
    assert set(seen) == set(expected)
    for name, value in expected.items():
        assert seen[name][2] == pytest.approx(value, rel=1e-2, abs=1e-5), name
    loss = sum(-math.log(1 / (1 + math.exp(-one))) for one in apart) / 4
    assert read_artifact_json(long, "history.json")[2][1] == pytest.approx(loss, rel=1e-4)


LOG2 = math.log(2)
AT_FIRST: dict[str, float] = {
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
"""With beta 0.1, where the model is the reference and so nothing is preferred."""


@pytest.mark.parametrize("loss", get_args(Loss))
def test_every_loss_begins_where_it_must_and_falls(loss: Any, start: Path, tmp_path: Path) -> None:
    smoothing = 0.1 if loss in ("exo_pair", "robust") else 0.0
    own = DPO(
        str(start),
        steps=4,
        batch_size=8,
        learning_rate=2e-3,
        loss_type=loss,
        label_smoothing=smoothing,
        max_length=128,
        warmup_ratio=0.0,
    )
    losses = [row[1] for row in read_artifact_json(run(own, tmp_path / "work"), "history.json")]
    assert losses[0] == pytest.approx(AT_FIRST[loss], rel=1e-4)
    assert losses[-1] < losses[0]


def test_wrong_verdicts_that_are_reckoned_with(trainer: DPO, trained: Artifact, tmp_path: Path) -> None:
    """cDPO by hand: with one pair a step, (1 - e) l(d) + e l(-d) of the margin that is noted."""
    own = replace(trainer, batch_size=1, label_smoothing=0.2)
    artifact = run(own, tmp_path / "smoothed")
    margins = curves(artifact).values["margin"][1:]
    losses = [row[1] for row in read_artifact_json(artifact, "history.json")]
    expected = [0.8 * math.log1p(math.exp(-d)) + 0.2 * math.log1p(math.exp(d)) for d in margins if d is not None]
    assert losses == pytest.approx(expected, rel=1e-4)
    assert max(abs(d) for d in margins if d is not None) > 0.1
    sure = run(replace(own, label_smoothing=0.0), tmp_path / "sure")
    assert sure.digest != artifact.digest


@pytest.mark.full
@pytest.mark.parametrize(("method", "rate"), [("lora", 5e-3), ("full", 1e-3)])
def test_learns_what_is_preferred(method: Any, rate: float, start: Path, tmp_path: Path) -> None:
    own = DPO(str(start), steps=30, batch_size=4, learning_rate=rate, method=method, max_length=128)
    artifact = run(own, tmp_path / "work")
    assert artifact.facts["held-out accuracy"] == 1
    assert all(row["after"] > 0.5 for row in read_artifact_json(artifact, "held-out.json"))
    assert curves(artifact).values["accuracy"][1] == 0.5


def test_same_seed_same_weights(trainer: DPO, trained: Artifact, tmp_path: Path) -> None:
    again = run(trainer, tmp_path / "again")
    assert (again.digest, again.facts) == (trained.digest, trained.facts)
    assert curves(again) == curves(trained)
    assert run(trainer, tmp_path / "other", seed=8).digest != trained.digest


def test_lora_leaves_alone_what_it_does_not_adapt(trained: Artifact, start: Path) -> None:
    before, after = (load_file(Path(path) / "model.safetensors") for path in (start, trained.path))
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert same == {name for name in before if "norm" in name or "embed" in name}


@pytest.mark.full
def test_bfloat16_is_near_float32(trainer: DPO, trained: Artifact, tmp_path: Path) -> None:
    half = run(replace(trainer, precision="bfloat16"), tmp_path / "half")
    assert half.digest != trained.digest
    losses = [[row[1] for row in read_artifact_json(one, "history.json")] for one in (half, trained)]
    assert losses[0][0] == pytest.approx(LOG2)
    assert losses[0] == pytest.approx(losses[1], rel=0.05)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_a_training_that_was_killed_goes_on_and_ends_with_the_same_weights(
    method: str, start: Path, tmp_path: Path
) -> None:
    check_goes_on_after_a_kill(DPO, start, tmp_path, method)


def test_the_libraries_say_nothing_and_send_nothing(
    start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl.trainer import base_trainer

    sent: list[object] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base_trainer, "send_telemetry", lambda *_, **told: sent.append(told))
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    run(DPO(str(start), steps=2, batch_size=2, save_every=1), tmp_path / "work")
    assert capfd.readouterr() == ("", "")
    assert not sent
    assert torch.equal(torch.random.get_rng_state(), state)


def test_mistakes_are_named(start: Path, tmp_path: Path) -> None:
    lab, own = tiny_lab(tmp_path), DPO(str(start))
    own.check((), lab)
    with raises(RecipeError, name="DPO", samples=0):
        own.train([], lab)
    with raises(RecipeError, name="DPO.max_length", value=513):
        replace(own, max_length=513).check((), lab)
    with pytest.raises(ModelError, match="ForCausalLM"):
        DPO(str(checkpoints.bert(tmp_path / "bert"))).check((), lab)
    ties = [Sample({**one.fields, "verdict": "tie"}) for one in pairs()]
    with raises(RecipeError, name="DPO", dropped={"unpreferred": 10}):
        own.train(ties, lab)
    with raises(RecipeError, step=1) as caught:
        run(DPO(str(spoilt(start, tmp_path / "spoilt")), steps=2), tmp_path / "work")
    assert str(caught.value.fields["loss"]) == "nan"
    assert own.usable(pairs()[0])
    assert not own.usable(ties[0])


@pytest.mark.parametrize(
    ("arguments", "said"),
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
def test_wrong_arguments_are_refused_when_it_is_built(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        DPO(**arguments)
