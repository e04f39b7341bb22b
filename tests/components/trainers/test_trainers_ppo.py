"""PPO: rewards and KL divergence, curves, resume after a kill, and invalid arguments."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import ascii_letters
from typing import Any, ClassVar

import msgspec
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import checkpoints
from assay.components.trainers.checks import prompt_digest, split_held_out, weights_digest
from assay.components.trainers.reinforcement.ppo import PPO
from assay.core.completions import Completion, TextRequest
from assay.core.curves import CURVE_INFO, WATCH_PREFIX, Curves
from assay.core.decoding import Decoding
from assay.core.errors import FieldError, ModelError, RecipeError
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Outcome, Scale, Score, Unscored
from components.trainers.killing import check_resumed_equals_whole, kill_at_step_5
from error_fields import raises
from labs import real_lab, tiny_lab

WORDS = ("sea", "hill", "river", "고양이", "shore", "tree", "rock", "a long walk")


@dataclass(frozen=True)
class Letters:
    """Fraction of an answer's characters that are among `letters`."""

    letters: str = ascii_letters
    scale: ClassVar[Scale] = Scale("share", 0.0, 1.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        texts = [sample.text("text") for sample in samples]
        return [Score(sum(character in self.letters for character in text) / max(1, len(text))) for text in texts]


@dataclass(frozen=True)
class Codes:
    """Mean code point of an answer's characters, which differs between almost all answers."""

    scale: ClassVar[Scale] = Scale("codes", 0.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        texts = [sample.text("text") for sample in samples]
        return [Score(sum(map(ord, text)) / max(1, len(text)) / 100) for text in texts]


@dataclass(frozen=True)
class Failing:
    """Leaves every nth answer unscored."""

    cause: Any = "failed"
    every: int = 2
    scale: ClassVar[Scale] = Scale("moods", low=0.0)

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [
            score if nth % self.every else Unscored(self.cause, "the server is down")
            for nth, score in enumerate(Codes().score(samples, lab))
        ]


@dataclass(frozen=True)
class Constant:
    scale: ClassVar[Scale] = Scale("points")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        return [Score(3.0)] * len(samples)


@dataclass(frozen=True)
class Raising:
    error: str = "no such key"
    scale: ClassVar[Scale] = Scale("points")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        if samples:
            raise KeyError(self.error)
        return []


@dataclass
class Recording:
    """Records the samples that it scores."""

    samples: list[Sample] = field(default_factory=list)
    scale: ClassVar[Scale] = Scale("points")

    def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
        self.samples += samples
        return Codes().score(samples, lab)


def tasks(count: int = 8) -> list[Sample]:
    return [
        Sample({"instruction": f"Say {WORDS[nth % len(WORDS)]}.", "input": "" if nth % 2 else "twice"}, nth=nth)
        for nth in range(count)
    ]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.chat(tmp_path_factory.mktemp("start") / "chat")


SMALL: dict[str, Any] = {
    "rewards": {"codes": Codes()},
    "prompts_per_step": 6,
    "max_tokens": 8,
    "max_length": 64,
    "held_out": 0.0,
    "learning_rate": 1e-2,
    "precision": "float32",
}
QUICK: dict[str, Any] = {
    **SMALL,
    "rewards": {"letters": Letters()},
    "prompts_per_step": 32,
    "max_tokens": 12,
    "epochs": 4,
}


def run(trainer: PPO, folder: Path, samples: Sequence[Sample] | None = None, *, seed: int = 7) -> Artifact:
    folder.mkdir(exist_ok=True)
    return trainer.train(tasks() if samples is None else samples, tiny_lab(folder, seed=seed))


def curves_of(artifact: Artifact) -> Curves:
    return msgspec.json.decode((Path(artifact.path).parent / "curves.json").read_bytes(), type=Curves)


def curve(artifact: Artifact, name: str) -> list[float]:
    return [value for value in curves_of(artifact).values[name] if value is not None]


def history_of(artifact: Artifact) -> list[list[float]]:
    rows: list[list[float]] = json.loads((Path(artifact.path).parent / "history.json").read_text("utf-8"))
    return rows


@pytest.fixture(scope="module")
def trainer(start: Path) -> PPO:
    return PPO(str(start), watch={"vowels": Letters("aeiou")}, steps=5, **SMALL)


@pytest.fixture(scope="module")
def trained(trainer: PPO, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return run(trainer, tmp_path_factory.mktemp("arm") / "work")


def test_output_files_and_saved_model(trained: Artifact, trainer: PPO, start: Path) -> None:
    folder = Path(trained.path)
    assert trained.kind == "text-model"
    assert trained.digest == weights_digest(folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["curves.json", "history.json", "model"]
    before, after = (AutoModelForCausalLM.from_pretrained(path) for path in (start, folder))
    assert after.dtype == before.dtype == torch.float16
    assert AutoTokenizer.from_pretrained(folder).chat_template == checkpoints.CHATML
    old, new = (load_file(Path(path) / "model.safetensors") for path in (start, folder))
    same = {name for name, value in new.items() if torch.equal(value, old[name])}
    assert same == {name for name in old if "norm" in name or "embed" in name}
    assert trainer.base(tiny_lab()) == trainer.model


def test_curves_history_and_facts(trained: Artifact, trainer: PPO) -> None:
    curves, history = curves_of(trained), history_of(trained)
    assert curves.steps == (1, 2, 3, 4, 5)
    assert set(curves.values) == {
        *("reward", "kl", "kl weight", "length", "ended", "entropy", "clipped", "value loss", "watch vowels")
    }
    assert {name for name in curves.values if not name.startswith(WATCH_PREFIX)} <= set(CURVE_INFO)
    assert [row[0] for row in history] == [1, 2, 3, 4, 5]
    assert [row[2] for row in history] == pytest.approx(
        [trainer.learning_rate * fraction for fraction in (1, 0.8, 0.6, 0.4, 0.2)]
    )
    assert curve(trained, "kl")[0] == 0.0
    assert all(0 < value <= 8 for value in curve(trained, "length"))
    assert all(0 <= value <= 1 for name in ("ended", "clipped", "watch vowels") for value in curve(trained, name))
    assert all(0 < value < math.log(300) for value in curve(trained, "entropy"))
    facts = dict(trained.facts)
    # Rank 16 on seven matrices in each of two layers: q, o 32 x 32; k, v 32 x 16; gate, up, down 32 x 64; and a head.
    assert facts.pop("trained parameters") == 2 * 16 * (2 * 64 + 2 * 48 + 3 * 96) + 33
    assert facts.pop("first reward") == pytest.approx(curve(trained, "reward")[0])
    assert facts.pop("last reward") == pytest.approx(curve(trained, "reward")[-1])
    assert facts.pop("last kl") == pytest.approx(curve(trained, "kl")[-1])
    none = dict.fromkeys(("unread", "unrewarded", "held out", "too long"), 0)
    assert facts == {"steps": 5, "answers": 30, "samples": 8, **none}


@pytest.mark.full
def test_reward_increases_and_kl_penalty_limits_divergence(start: Path, tmp_path: Path) -> None:
    plain = PPO(str(start), steps=16, missing_eos_penalty=0.0, kl_coef=0.0, **QUICK)
    free, near = run(plain, tmp_path / "free"), run(replace(plain, kl_coef=0.04), tmp_path / "near")
    assert free.facts["last reward"] > 1.4 * free.facts["first reward"]
    assert near.facts["last reward"] > 1.1 * near.facts["first reward"]
    assert near.facts["last kl"] < 0.4 * free.facts["last kl"]
    assert curve(free, "kl weight") == [0.0] * 16
    before, after = (letter_fraction(answers_of(Path(folder))) for folder in (start, free.path))
    assert after > 1.3 * before


def letter_fraction(answers: Sequence[Sample]) -> float:
    scores = [outcome.value for outcome in Letters().score(answers, tiny_lab()) if isinstance(outcome, Score)]
    return sum(scores) / len(scores)


def answers_of(folder: Path) -> list[Sample]:
    """Answers of a saved model, sampled by transformers."""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder).float(), AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Say tree."}], add_generation_prompt=True, return_dict=False
    )
    torch.manual_seed(0)
    rows = model.generate(torch.tensor([prompt] * 200), do_sample=True, top_k=0, max_new_tokens=12, pad_token_id=0)
    return [Sample({"text": tokenizer.decode(row[len(prompt) :], skip_special_tokens=True)}) for row in rows]


def test_missing_eos_penalty_teaches_answers_to_end(start: Path, tmp_path: Path) -> None:
    trained = run(
        PPO(str(start), steps=12, missing_eos_penalty=2.0, kl_coef=0.0, **{**QUICK, "learning_rate": 2e-2}),
        tmp_path / "work",
    )
    ended = curve(trained, "ended")
    assert ended[0] < 0.3
    assert sum(ended[-3:]) / 3 > 0.7


def test_single_update_per_step_has_a_ratio_of_1(start: Path, tmp_path: Path) -> None:
    """Advantages are whitened, so with ratios of 1 the loss is 0; nothing can be clipped."""
    trainer = PPO(str(start), steps=3, epochs=1, num_minibatches=1, **SMALL)
    trained = run(trainer, tmp_path / "work")
    assert curve(trained, "clipped") == [0.0] * 3
    assert [row[1] for row in history_of(trained)] == pytest.approx([0.0] * 3, abs=1e-6)
    assert curve(trained, "kl")[1] != 0.0
    more = run(replace(trainer, epochs=4), tmp_path / "more")
    assert max(curve(more, "clipped")) > 0.0


def test_kl_weight_adapts_to_the_target(start: Path, tmp_path: Path) -> None:
    trainer = PPO(str(start), steps=4, kl_coef=0.2, target_kl=1e6, kl_gain=1.0, **SMALL)
    trained = run(trainer, tmp_path / "low")
    assert curve(trained, "kl weight") == pytest.approx([0.2, 0.16, 0.128, 0.1024])


def test_same_seed_same_weights(trainer: PPO, trained: Artifact, tmp_path: Path) -> None:
    again = run(trainer, tmp_path / "again")
    assert (again.digest, history_of(again), curves_of(again)) == (
        trained.digest,
        history_of(trained),
        curves_of(trained),
    )
    assert run(trainer, tmp_path / "other", seed=8).digest != trained.digest


@pytest.mark.parametrize("changed", [{"kl_estimator": "k3"}, {"temperature": 0.7}, {"precision": "bfloat16"}])
def test_settings_change_the_weights(changed: dict[str, Any], trainer: PPO, trained: Artifact, tmp_path: Path) -> None:
    other = run(replace(trainer, **changed), tmp_path / "other")
    assert other.digest != trained.digest
    assert curve(other, "kl")[0] == 0.0
    if "kl_estimator" in changed:
        assert min(curve(other, "kl")) >= 0.0


def test_each_training_prompt_is_used_once_per_epoch(start: Path, tmp_path: Path) -> None:
    """Of two pairs with one prompt only the first is used."""
    pairs = [
        Sample({**task.fields, "chosen": f"good {nth}", "rejected": "bad"}) for task in tasks() for nth in range(2)
    ]
    learned, held = ({prompt_digest(sample) for sample in part} for part in split_held_out(pairs, 0.25))
    assert (len(learned), len(held)) == (6, 2)
    scorer = Recording()
    trainer = PPO(
        str(start), steps=4, **{**SMALL, "rewards": {"codes": scorer}, "prompts_per_step": 3, "held_out": 0.25}
    )
    trained = run(replace(trainer, held_out_answers=0), tmp_path / "work", pairs)
    assert (trained.facts["samples"], trained.facts["held out"]) == (6, 2)
    for epoch in (scorer.samples[:6], scorer.samples[6:]):
        assert sorted(prompt_digest(sample) for sample in epoch) == sorted(learned)
    assert all(sample.text("chosen") == "good 0" for sample in scorer.samples)
    assert len({sample.id for sample in scorer.samples[:3]}) == 3


@pytest.mark.full
def test_held_out_answers_are_sampled_before_and_after(start: Path, tmp_path: Path) -> None:
    """Sampled as in training, with the configured number of answers and the same seed per prompt before and after."""
    trainer = PPO(
        str(start), steps=16, missing_eos_penalty=0.0, kl_coef=0.0, **{**QUICK, "held_out": 0.5}, held_out_answers=40
    )
    (tmp_path / "work").mkdir()
    lab, samples = real_lab(tmp_path / "work"), tasks()
    trained = trainer.train(samples, lab)
    rows = json.loads((tmp_path / "work" / "held-out-rewards.json").read_text(encoding="utf-8"))
    held = split_held_out(samples, 0.5)[1]
    assert [(row["id"], row["prompt"], row["sampled"]) for row in rows] == [
        (sample.id, prompt_digest(sample), 40) for sample in held
    ]
    assert len(held) == trained.facts["held out"] == 4
    for name, model in (("before", str(start)), ("after", trained.path)):
        for row, sample in zip(rows, held, strict=True):
            seed = lab.seed_of(sample, "held-out rewards")
            decoding = Decoding("sample", temperature=1.0, max_tokens=12, answers=40, seed=seed)
            (completion,) = lab.models.text_model(model).complete([TextRequest(trainer._messages(sample), decoding)])
            assert isinstance(completion, Completion)
            letters = letter_fraction([Sample({"text": answer.text.strip()}) for answer in completion.answers])
            assert row[name] == pytest.approx(letters)
    before, after = (sum(row[name] for row in rows) / 4 for name in ("before", "after"))
    assert after > 1.2 * before
    alone = replace(trainer, held_out_answers=0).train(samples, real_lab(tmp_path / "work"))
    assert alone.digest == trained.digest


def test_held_out_prompt_without_reward_is_null(start: Path, tmp_path: Path) -> None:
    trainer = PPO(str(start), steps=1, **{**SMALL, "held_out": 0.5, "rewards": {"m": Failing()}}, held_out_answers=1)
    (tmp_path / "work").mkdir()
    trainer.train(tasks(), real_lab(tmp_path / "work"))
    rows = json.loads((tmp_path / "work" / "held-out-rewards.json").read_text(encoding="utf-8"))
    assert [row["before"] is None for row in rows] == [row["after"] is None for row in rows] == [True, False] * 2


def test_too_long_prompts_are_counted(start: Path, tmp_path: Path) -> None:
    long = Sample({"instruction": "Say " + "x" * 200})
    trainer = PPO(str(start), steps=1, **SMALL)
    facts = run(trainer, tmp_path / "some", [*tasks(3), long]).facts
    assert (facts["samples"], facts["too long"]) == (3, 1)
    with raises(RecipeError, name="PPO.max_length", samples=1, value=64):
        run(trainer, tmp_path / "none", [long])


def test_unrewarded_answers_are_excluded_and_counted(start: Path, tmp_path: Path) -> None:
    trainer = PPO(str(start), steps=2, **SMALL)
    failing = run(replace(trainer, rewards={"m": Failing()}), tmp_path / "failing")
    assert (failing.facts["answers"], failing.facts["unrewarded"], failing.facts["unread"]) == (12, 6, 0)
    # Failed answers are not in the mean; unparsed answers get the lowest score of the scale, 0.
    graded = run(replace(trainer, rewards={"m": Failing("unparsed")}), tmp_path / "graded")
    assert (graded.facts["unrewarded"], graded.facts["unread"]) == (0, 6)
    assert 0 < curve(graded, "reward")[0] == pytest.approx(curve(failing, "reward")[0] / 2)
    both = run(replace(trainer, rewards={"m": Failing("not_applicable"), "c": Codes()}), tmp_path / "both")
    assert both.facts["unread"] == 6
    with raises(RecipeError, answers=6, step=1, reason="m: the server is down"):
        run(replace(trainer, rewards={"m": Failing(every=1)}), tmp_path / "none")


def test_one_rewarded_answer_per_step_is_enough(start: Path, tmp_path: Path) -> None:
    trainer = PPO(str(start), steps=2, **{**SMALL, "prompts_per_step": 2, "rewards": {"m": Failing()}})
    assert run(trainer, tmp_path / "work").facts["unrewarded"] == 2


def test_reward_weights(start: Path, tmp_path: Path) -> None:
    trainer = PPO(str(start), steps=1, **{**SMALL, "rewards": {"same": Constant(), "codes": Codes()}})
    plain = run(trainer, tmp_path / "plain")
    other = run(replace(trainer, weights={"same": -2.0}), tmp_path / "other")
    assert curve(plain, "reward")[0] - 3 == pytest.approx(curve(other, "reward")[0] + 6, abs=1e-5)


def test_reward_by_a_reward_model(start: Path, tmp_path: Path) -> None:
    trainer = PPO(str(start), reward="tiny:rater", steps=3, **{**SMALL, "rewards": {}})
    artifact = run(trainer, tmp_path / "work")
    assert all(0 <= reward <= 5 for reward in curve(artifact, "reward"))
    trainer.check((), tiny_lab())
    with pytest.raises(ModelError, match="'tiny:writer'"):
        replace(trainer, reward="tiny:writer").check((), tiny_lab())


def test_constant_reward_raises(start: Path, tmp_path: Path) -> None:
    trainer = PPO(str(start), steps=9, **{**SMALL, "rewards": {"same": Constant()}})
    with raises(RecipeError, answers=24, reward=3):
        run(trainer, tmp_path / "long")
    with raises(RecipeError, answers=6, reward=3):
        run(replace(trainer, steps=1), tmp_path / "short")


def test_raising_scorer_is_named(start: Path, tmp_path: Path) -> None:
    trainer = PPO(str(start), steps=1, **{**SMALL, "rewards": {"mine": Raising()}})
    with raises(RecipeError, answers=6, reason="mine: KeyError: 'no such key'"):
        run(trainer, tmp_path / "raising")
    watching = run(PPO(str(start), steps=1, watch={"mine": Raising()}, **SMALL), tmp_path / "watching")
    assert "watch mine" not in curves_of(watching).values


def test_non_finite_loss_raises(start: Path, tmp_path: Path) -> None:
    class Wild(Letters):
        def score(self, samples: Sequence[Sample], lab: Lab) -> Sequence[Outcome]:
            return [Score(1e308 * (nth % 2)) for nth in range(len(samples))]

    trainer = PPO(str(start), steps=1, **{**SMALL, "rewards": {"wild": Wild()}})
    with raises(RecipeError, step=1) as caught:
        run(trainer, tmp_path / "wild")
    assert str(caught.value.fields["loss"]) in ("nan", "inf")
    with raises(RecipeError, name="PPO.rewards"):
        run(replace(trainer, weights={"wild": 1e9}), tmp_path / "wilder")


ARGUMENTS: dict[str, Any] = {**SMALL, "steps": 7, "save_every": 2, "target_kl": 0.1, "held_out": 0.25}


def kill_training(trainer: PPO, folder: Path) -> None:
    imports = (
        "from components.trainers.test_trainers_ppo import Codes, tasks\n"
        "from assay.components.trainers.reinforcement.ppo import PPO"
    )
    kill_at_step_5(folder, repr(trainer), "tasks()", imports, "real_lab")


def test_killed_training_resumes_to_the_same_weights(start: Path, tmp_path: Path) -> None:
    folder, trainer = tmp_path / "work", PPO(str(start), **ARGUMENTS)
    (tmp_path / "whole").mkdir()
    whole = trainer.train(tasks(), real_lab(tmp_path / "whole"))
    assert (tmp_path / "whole" / "held-out-rewards.json").is_file()

    kill_training(trainer, folder)
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == ["job.sha256", "last.pt"]
    (folder / "checkpoints" / "last.new").write_bytes(b"cut off while it was written")
    check_resumed_equals_whole(trainer, tasks(), real_lab(folder), whole, 5)


def test_damaged_or_foreign_checkpoint_is_ignored(start: Path, tmp_path: Path) -> None:
    trainer = PPO(str(start), **ARGUMENTS)
    folder = tmp_path / "work"
    kill_training(trainer, folder)
    last = folder / "checkpoints" / "last.pt"
    content = last.read_bytes()
    for changed, seed, damaged in ((replace(trainer, kl_coef=0.06), 7, False), (trainer, 8, False), (trainer, 7, True)):
        (folder / "checkpoints").mkdir(exist_ok=True)
        last.write_bytes(content[: len(content) // 2] if damaged else content)
        steps: list[int] = []
        lab = replace(real_lab(folder, seed=seed), progress=lambda step, _, steps=steps: steps.append(step))
        changed.train(tasks(), lab)
        assert steps == list(range(1, 8))


def test_no_output_and_random_state_is_preserved(
    start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    run(PPO(str(start), steps=2, save_every=1, **SMALL), tmp_path / "work")
    assert capfd.readouterr() == ("", "")
    assert torch.equal(torch.random.get_rng_state(), state)


def test_invalid_input_raises(start: Path, tmp_path: Path) -> None:
    lab = tiny_lab(tmp_path)
    trainer = PPO(str(start), steps=1, **SMALL)
    trainer.check((), lab)
    assert [trainer.usable(sample) for sample in (tasks()[0], Sample({"instruction": " "}), Sample({"x": "y"}))] == [
        True,
        False,
        False,
    ]
    with raises(RecipeError, name="PPO", samples=0):
        trainer.train([], lab)
    with raises(RecipeError, name="PPO.rank", value=17):
        replace(trainer, rank=17).check((), lab)
    with raises(RecipeError, name="PPO.max_length", maximum=512, value=(500, 13)):
        replace(trainer, max_length=500, max_tokens=13).check((), lab)
    silent = checkpoints.chat(tmp_path / "silent", template=None)
    with raises(ModelError, name="chat_template", model=str(silent)):
        replace(trainer, model=str(silent)).check((), lab)
    with pytest.raises(ModelError, match="exist"):
        replace(trainer, model="./nowhere").check((), lab)
    with pytest.raises(FieldError, match="'instruction'"):
        trainer.train([Sample({"output": "x"})], lab)
    broken = Sample({"instruction": "x", "history": "[1]"})
    with raises(FieldError, name="history", sample=broken.id):
        trainer.train([broken], lab)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"rewards": {}}, r"PPO needs either reward, a reward model, or rewards, scorers; had none"),
        ({"reward": "tiny:rater"}, r"PPO needs either reward, a reward model, or rewards, scorers; had both"),
        ({"weights": {"code": 1.0}}, r"PPO\.weights .*\bcodes, had 'code'"),
        ({"weights": {"codes": 0.0}}, r"PPO\.weights .*\b0\b.*\b0 for 'codes'"),
        ({"weights": {"codes": float("nan")}}, r"PPO\.weights .*\bnan\b"),
        ({"steps": 0}, r"PPO\.steps .*\b1\b.*\b1e\+09\b.*\b0\b"),
        ({"prompts_per_step": 0}, r"PPO\.prompts_per_step.*\b0\b"),
        ({"num_minibatches": 7}, r"PPO\.num_minibatches .*\bprompts_per_step, 6\b.*\b7\b"),
        ({"epochs": 0}, r"PPO\.epochs.*\b0\b"),
        ({"max_tokens": 0}, r"PPO\.max_tokens.*\b0\b"),
        ({"temperature": 0.0}, r"PPO\.temperature .*\b0\.01\b.*\b100\b.*\b0\b"),
        ({"learning_rate": float("nan")}, r"PPO\.learning_rate .*\bnan\b"),
        ({"value_learning_rate": 0.0}, r"PPO\.value_learning_rate.*\b0\b"),
        ({"clip_range": 0.0}, r"PPO\.clip_range.*\b0\b"),
        ({"value_clip_range": -1.0}, r"PPO\.value_clip_range.*\-1\b"),
        ({"value_coef": -0.1}, r"PPO\.value_coef.*\-0\.1\b"),
        ({"gamma": 1.1}, r"PPO\.gamma .*\b0\b.*\b1\b.*\b1\.1\b"),
        ({"lam": -0.1}, r"PPO\.lam .*\b0\b.*\b1\b.*\-0\.1\b"),
        ({"kl_coef": -0.1}, r"PPO\.kl_coef.*\-0\.1\b"),
        ({"target_kl": -1.0}, r"PPO\.target_kl.*\-1\b"),
        ({"kl_coef": 0.0, "target_kl": 6.0}, r"PPO\.kl_coef .*\b0\b.*\btarget_kl\b.*\b0\b"),
        ({"kl_gain": 9.0}, r"PPO\.kl_gain.*\b9\b"),
        ({"kl_estimator": "k2"}, r"PPO\.kl_estimator .*\bk1, k3.*'k2'"),
        ({"missing_eos_penalty": -1.0}, r"PPO\.missing_eos_penalty.*\-1\b"),
        ({"rank": 0}, r"PPO\.rank.*\b0\b"),
        ({"alpha": 0.0}, r"PPO\.alpha.*\b0\b"),
        ({"held_out": 1.0}, r"PPO\.held_out .*\b0\b.*\b0\.9\b.*\b1\b"),
        ({"max_length": 4}, r"PPO\.max_length .*\b8\b.*\b4\b"),
        ({"precision": "float16"}, r"PPO\.precision .*\bauto, bfloat16, float32.*'float16'"),
        ({"save_every": -1}, r"PPO\.save_every .*\b0\b.*\-1\b"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: dict[str, Any], pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        PPO(**{**SMALL, **arguments})
