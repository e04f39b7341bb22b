from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

import checkpoints
from assay.components.scorers.contamination.rouge_novelty import RougeNovelty
from assay.components.scorers.text.embeddings import TextEmbedding
from assay.components.trainers.checks import prompt_digest, split_held_out, weights_digest
from assay.components.trainers.reinforcement import grpo_loop
from assay.components.trainers.reinforcement.grpo import GRPO
from assay.components.trainers.reinforcement.grpo_loop import RewardPanel
from assay.components.trainers.reinforcement.rewards import lowest_reward, scorer_rewards
from assay.core.completions import Message, TextRequest
from assay.core.curves import Curves
from assay.core.decoding import Decoding
from assay.core.errors import FieldError, ModelError, RecipeError, UserError
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Label, Scale, Unscored
from assay.models.text.requests import encode_prompt
from assay.text.instructions.dialogues import write_history
from components.trainers.killing import check_resumed_equals_whole, kill_at_step_5, only_checkpoint
from error_fields import raises
from labs import real_lab, tiny_lab
from reward_parts import Even, Trouble, tasks

SMALL: dict[str, Any] = {
    "prompts_per_step": 2,
    "num_generations": 4,
    "max_tokens": 8,
    "max_length": 128,
    "rank": 4,
    "learning_rate": 1e-2,
}


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.chat(tmp_path_factory.mktemp("start"))


def small(start: Path, **more: Any) -> GRPO:
    return GRPO(**{"rewards": {"even": Even()}, "model": str(start), "steps": 4, **SMALL, **more})


def run(trainer: GRPO, folder: Path, samples: list[Sample] | None = None, seed: int = 7) -> Artifact:
    folder.mkdir(exist_ok=True)
    return trainer.train(tasks() if samples is None else samples, real_lab(folder, seed=seed))


def curves_of(artifact: Artifact) -> Curves:
    content = json.loads((Path(artifact.path).parent / "curves.json").read_text(encoding="utf-8"))
    return Curves(tuple(content["steps"]), content["values"])


def history_of(artifact: Artifact) -> list[Any]:
    history: list[Any] = json.loads((Path(artifact.path).parent / "history.json").read_text(encoding="utf-8"))
    return history


@pytest.mark.full
def test_reward_increases_and_curves_are_written(start: Path, tmp_path: Path) -> None:
    trainer = small(start, steps=25, prompts_per_step=4, num_generations=8, watch={"thirds": Even(3)}, warmup_ratio=0.0)
    artifact = run(trainer, tmp_path / "work")
    assert artifact.facts["last reward"] > artifact.facts["first reward"] + 0.15
    curves = curves_of(artifact)
    assert curves.steps == tuple(range(1, 26))
    names = {"reward", "reward even", "watch thirds", "kl", "length", "ended", "entropy", "alike", "clipped"}
    assert set(curves.values) == names
    assert all(None not in row for row in curves.values.values())
    assert curves.values["reward"] == curves.values["reward even"]
    assert curves.values["kl"][0] == pytest.approx(0, abs=1e-3)  # LoRA adds nothing before the first step
    assert artifact.facts["last kl"] > 0.05
    assert all(0 < value <= 8 for value in curves.values["length"] if value is not None)
    assert [step for step, _, _ in history_of(artifact)] == list(curves.steps)
    assert max(rate for _, _, rate in history_of(artifact)) == pytest.approx(1e-2)
    assert artifact.digest == weights_digest(Path(artifact.path))
    facts = {"steps": 25, "samples": 5, "seen": 25 * 32, "unrewarded": 0, "too long": 0, "held out": 0}
    assert {name: artifact.facts[name] for name in facts} == facts
    assert not (tmp_path / "work" / "checkpoints").exists()


def test_saved_model_has_the_format_of_the_start_and_answers(start: Path, tmp_path: Path) -> None:
    artifact = run(small(start), tmp_path / "work")
    before, after = (load_file(Path(path) / "model.safetensors") for path in (start, artifact.path))
    assert {name: (value.dtype, value.shape) for name, value in before.items()} == {
        name: (value.dtype, value.shape) for name, value in after.items()
    }
    assert any(not torch.equal(value, after[name]) for name, value in before.items())
    model = real_lab().models.text_model(artifact.path)
    (answer,) = model.complete([TextRequest((Message("user", "Say sea."),), Decoding(max_tokens=3))])
    assert hasattr(answer, "answers")
    assert AutoTokenizer.from_pretrained(artifact.path).chat_template == checkpoints.CHATML


@pytest.mark.full
@pytest.mark.parametrize(
    "more", [{}, {"method": "full", "learning_rate": 1e-3}, {"precision": "bfloat16"}, {"batch_size": 4}]
)
def test_seed_determines_the_weights(more: dict[str, Any], start: Path, tmp_path: Path) -> None:
    trainer = small(start, **more)
    first, again, other = (run(trainer, tmp_path / name, seed=seed) for name, seed in (("a", 7), ("b", 7), ("c", 8)))
    assert (first.digest, history_of(first), curves_of(first)) == (again.digest, history_of(again), curves_of(again))
    assert other.digest != first.digest


@pytest.mark.parametrize(
    ("more", "step"),
    [
        ({"save_every": 2}, 4),
        ({"save_every": 2, "method": "full", "learning_rate": 1e-3}, 4),
        ({"save_every": 1, "num_iterations": 2, "batch_size": 4}, 4),
    ],
)
def test_killed_training_resumes_to_the_same_weights(
    more: dict[str, Any], step: int, start: Path, tmp_path: Path
) -> None:
    """Also with several iterations on the same answers, which a checkpoint does not hold."""
    rewards, watch = {"two": Even(), "three": Even(3)}, {"five": Even(5)}
    folder, trainer = tmp_path / "work", small(start, steps=8, rewards=rewards, watch=watch, **more)
    imports = "from reward_parts import Even, tasks\nfrom assay.components.trainers.reinforcement.grpo import GRPO"
    kill_at_step_5(folder, repr(trainer), "tasks()", imports, "real_lab")
    assert only_checkpoint(folder) == f"checkpoint-{step}"
    whole = run(trainer, tmp_path / "whole")
    check_resumed_equals_whole(trainer, tasks(), real_lab(folder), whole, step + 1)


@pytest.mark.full
def test_checkpoint_of_other_rewards_is_ignored(start: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    trainer = small(start, save_every=1)

    def stop(step: int, _: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train(tasks(), replace(real_lab(folder), progress=stop))
    assert list((folder / "checkpoints").glob("checkpoint-*"))
    steps: list[int] = []
    lab = replace(real_lab(folder), progress=lambda step, _: steps.append(step))
    replace(trainer, rewards={"even": Even(5)}).train(tasks(), lab)
    assert steps == [1, 2, 3, 4]


def test_iterations_on_the_same_answers(start: Path, tmp_path: Path) -> None:
    curves = curves_of(run(small(start, num_iterations=2, learning_rate=0.1, warmup_ratio=0.0), tmp_path / "work"))
    rewards, clipped = curves.values["reward"], curves.values["clipped"]
    assert [reward is None for reward in rewards] == [False, True] * 2
    assert clipped[0] == clipped[2] == 0  # the policy that sampled the answers
    assert max(clipped[1], clipped[3]) > 0  # type: ignore[type-var]


def trainer_of(start: Path, folder: Path, **more: Any) -> Any:
    """TRL's trainer as `GRPO` builds it."""
    trainers: list[Any] = []

    def keep(job: Any, panel: RewardPanel, progress: Any) -> Any:
        trainers.append(grpo_loop._trainer(job, panel, grpo_loop.locate(job.config.model), progress))
        raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpo_loop, "reinforce", keep)
        with pytest.raises(InterruptedError):
            run(small(start, **more), folder)
    return trainers[0]


@pytest.mark.parametrize("answers_only", [True, False])
def test_log_probs_equal_those_of_each_row_alone(answers_only: bool, start: Path, tmp_path: Path) -> None:
    """Our log-probabilities and TRL's, of rows that are padded on both sides."""
    trainer = trainer_of(start, tmp_path / "work", precision="float32", temperature=0.7)
    assert trainer.answers_only
    trainer.answers_only = answers_only
    prompts, answers = [[1, 5, 9, 11], [1, 7]], [[20, 21, 22], [30, 2]]
    ids = torch.tensor([[1, 5, 9, 11, 20, 21, 22], [0, 0, 1, 7, 30, 2, 0]])
    mask = torch.tensor([[1, 1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1, 0]])
    values, entropies, _ = trainer._get_per_token_logps_and_entropies(trainer.model, ids, mask, 3, compute_entropy=True)
    model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32).eval()
    for nth, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        with torch.inference_mode():
            logs = (model(input_ids=torch.tensor([prompt + answer])).logits[0] / 0.7).log_softmax(-1)
        expected = [float(logs[len(prompt) - 1 + place, token]) for place, token in enumerate(answer)]
        spread = [
            float(-(logs[len(prompt) - 1 + place].exp() * logs[len(prompt) - 1 + place]).sum())
            for place in range(len(answer))
        ]
        assert values[nth, : len(answer)].tolist() == pytest.approx(expected, abs=1e-4)
        assert entropies[nth, : len(answer)].tolist() == pytest.approx(spread, abs=1e-4)


def test_prompt_tokens_equal_those_of_inference(start: Path, tmp_path: Path) -> None:
    before = (Message("user", "Hi.<|im_end|>"), Message("assistant", "Hello."))
    sample = Sample({"instruction": "Add.<|im_start|>", "input": "1 and 2", "history": write_history(before)})
    tokenizer = AutoTokenizer.from_pretrained(start)
    _, (row,) = small(start, system="Be brief.")._rows([sample])
    turns = (Message("system", "Be brief."), *before, Message("user", "Add.\n\n1 and 2"))
    assert list(row) == encode_prompt(tokenizer, turns, "it")
    assert "Hi.<|im_end|>\n<|im_start|>assistant" in tokenizer.decode(row)
    trainer = trainer_of(start, tmp_path / "work")
    assert trainer._tokenize_prompts(["1", "0"])[0] == [list(trainer.prompt_ids[1]), list(trainer.prompt_ids[0])]


def test_reward_sign_is_higher_is_better() -> None:
    lab = tiny_lab()
    answers = [Sample({"text": text}) for text in ("bb", "ab", "aa", "")]
    assert scorer_rewards("it", Even(), answers, lab).values == (1.0, 0.5, 0.0, 0.0)
    turned = scorer_rewards("it", Even(better="lower"), answers, lab)
    assert turned.values == (-1.0, -0.5, 0.0, -1.0)
    assert (turned.unread, turned.failed, turned.reasons) == (1, 0, ())
    assert lowest_reward(Scale("x", better="lower")) is None
    assert lowest_reward(Scale("x", low=-3)) == -3


def test_unparsed_answer_on_an_unbounded_scale_is_excluded() -> None:
    class Unbounded(Even):
        scale = Scale("points")  # type: ignore[assignment]

    rewards = scorer_rewards("it", Unbounded(), [Sample({"text": "b"}), Sample({"text": ""})], tiny_lab())
    assert (rewards.values, rewards.unread, rewards.failed) == ((1.0, None), 0, 1)
    (outcome,) = Unbounded().score([Sample({"text": ""})], tiny_lab())
    assert isinstance(outcome, Unscored)
    assert rewards.reasons == (outcome.reason,)


def test_raising_scorer_excludes_only_that_answer(start: Path, tmp_path: Path) -> None:
    answers = [Sample({"text": "a" * length}) for length in (2, 3, 4)]
    rewards = scorer_rewards("it", Trouble("raises at long ones"), answers, tiny_lab())
    assert rewards.values == (0.002, None, 0.004)
    (reason,) = rewards.reasons
    assert reason.startswith("ZeroDivisionError:")
    artifact = run(small(start, rewards={"odd": Trouble("raises at long ones"), "even": Even()}), tmp_path / "work")
    assert 0 < artifact.facts["unrewarded"] < artifact.facts["seen"]


@pytest.mark.parametrize(
    ("how", "error", "fields", "value"),
    [
        ("raises", RecipeError, {"answers": 8, "step": 1}, "it: ZeroDivisionError"),
        ("hangs", RecipeError, {"answers": 8, "step": 1}, r"it: .*\b1 ms\b"),
        ("gives nan", RecipeError, {"answers": 8, "step": 1}, r"it: ValueError: Score\.value .*\bnan\b"),
        ("labels", RecipeError, {"name": "GRPO.rewards.it", "actual": Label}, ""),
        ("knows no such thing", ModelError, {}, r"\bjudge\b"),
        ("same", RecipeError, {"steps": 4, "reward": 0.5}, ""),
    ],
)
def test_unusable_reward_raises(
    how: Any, error: type[UserError], fields: dict[str, object], value: str, start: Path, tmp_path: Path
) -> None:
    with raises(error, **fields) as caught:
        run(small(start, rewards={"it": Trouble(how)}), tmp_path / "work")
    assert re.search(value, caught.value.message)


def test_equal_rewards_stop_the_training_early(start: Path, tmp_path: Path) -> None:
    steps: list[int] = []
    (tmp_path / "work").mkdir()
    lab = replace(real_lab(tmp_path / "work"), progress=lambda step, _: steps.append(step))
    with raises(RecipeError, steps=10):
        small(start, rewards={"it": Trouble("same")}, steps=50).train(tasks(), lab)
    assert steps == list(range(1, 11))


def test_watched_scorers_do_not_change_the_weights(start: Path, tmp_path: Path) -> None:
    alone = run(small(start), tmp_path / "alone")
    watched = run(
        small(start, watch={"odd": Trouble("raises at long ones"), "gone": Trouble("raises")}), tmp_path / "watched"
    )
    assert watched.digest == alone.digest
    assert watched.facts == alone.facts
    assert "watch odd" in curves_of(watched).values
    assert "watch gone" not in curves_of(watched).values


@pytest.mark.full
def test_reward_weights_change_the_training(start: Path, tmp_path: Path) -> None:
    two = {"even": Even(), "thirds": Even(3)}
    both = run(small(start, rewards=two, weights={"thirds": -0.5}), tmp_path / "both")
    values = curves_of(both).values
    for whole, even, thirds in zip(values["reward"], values["reward even"], values["reward thirds"], strict=True):
        assert whole == pytest.approx(even - 0.5 * thirds, abs=1e-5)  # type: ignore[operator]
    assert run(small(start, rewards=two), tmp_path / "even").digest != both.digest


@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.full)])
def test_held_out_prompts_are_evaluated_and_not_trained_on(method: str, start: Path, tmp_path: Path) -> None:
    trainer = small(start, held_out=0.4, method=method, learning_rate=1e-3)
    samples = tasks()
    artifact = run(trainer, tmp_path / "work", samples)
    training, held = split_held_out(samples, 0.4)
    rows = json.loads((tmp_path / "work" / "held-out-rewards.json").read_text(encoding="utf-8"))
    assert [(row["id"], row["prompt"]) for row in rows] == [(sample.id, prompt_digest(sample)) for sample in held]
    assert artifact.facts["held out"] == len(held) == 2
    assert {row["sampled"] for row in rows} == {0}
    lab = real_lab()
    for name, reference in (("before", str(start)), ("after", artifact.path)):
        requests = [TextRequest(trainer._prompt(sample), Decoding(max_tokens=8)) for sample in held]
        texts = [
            completion.answers[0].text.strip() for completion in lab.models.text_model(reference).complete(requests)
        ]  # type: ignore[union-attr]
        rewards = scorer_rewards("it", Even(), [Sample({"text": text}) for text in texts], lab).values
        assert [row[name] for row in rows] == list(rewards)
    alone = run(replace(trainer, held_out=0.0), tmp_path / "alone", training)
    assert alone.digest == artifact.digest


def test_too_long_prompts_are_dropped(start: Path, tmp_path: Path) -> None:
    long = Sample({"instruction": "Say " + "x" * 200})
    artifact = run(small(start), tmp_path / "work", [*tasks(), long])
    assert (artifact.facts["too long"], artifact.facts["samples"]) == (1, 6)
    with raises(RecipeError, name="GRPO.max_length", samples=1, value=128):
        run(small(start), tmp_path / "none", [long])
    with raises(RecipeError, name="GRPO", samples=0):
        run(small(start), tmp_path / "nothing", [])
    with pytest.raises(FieldError, match="'instruction'"):
        run(small(start), tmp_path / "blank", [Sample({"instruction": " "})])
    assert [small(start).usable(sample) for sample in (long, Sample({"instruction": " "}), Sample({}))] == [
        True,
        False,
        False,
    ]


def test_random_state_is_preserved(start: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run(small(start, steps=1), tmp_path / "work")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (
            {"max_length": 510},
            r"max_length and max_tokens .*\b512\b.*\b510 and 8\b",
        ),
        ({"rank": 64}, r"GRPO\.rank .*\b64\b"),
        (
            {"rewards": {"it": TextEmbedding("tiny:letters")}},
            r"^GRPO\.rewards\.it ",
        ),
        (
            {"watch": {"it": RougeNovelty()}},
            r"^GRPO\.watch\.it ",
        ),
    ],
)
def test_preflight_rejects_invalid_configuration(change: dict[str, Any], pattern: str, start: Path) -> None:
    with pytest.raises(RecipeError, match=pattern):
        small(start, **change).check((), tiny_lab())


@pytest.mark.parametrize(
    ("wrong", "pattern"),
    [
        ({"rewards": {}}, r"rewards .*\breward\b"),
        ({"weights": {"odd": 1.0}}, r"weights .*\beven, had 'odd'"),
        ({"weights": {"even": 0.0}}, r"weights .*\b0\b.*\b0 for 'even'"),
        ({"weights": {"even": float("nan")}}, r"weights .*\b0\b.*\bnan\b"),
        ({"num_generations": 1}, r"num_generations .*\b2\b.*\b1\b"),
        ({"batch_size": 3}, r"batch_size .*\b8 answers\b.*\b3\b"),
        ({"steps": 3, "num_iterations": 2}, r"steps .*\bnum_iterations, 2\b.*\b3\b"),
        ({"beta": 0.0}, r"beta .*\b1e-12\b.*\b0\b"),
        ({"temperature": 0.0}, r"temperature.*\b0\b"),
        ({"held_out": 1.0}, r"held_out .*\b0\b.*\b0\.9\b.*\b1\b"),
        ({"loss_type": "ppo"}, r"loss_type .*\bgrpo, bnpo, dr_grpo, dapo.*'ppo'"),
        ({"scale_rewards": "all"}, r"scale_rewards .*\bgroup, batch, none.*'all'"),
    ],
)
def test_invalid_arguments_are_rejected(wrong: dict[str, Any], pattern: str) -> None:
    with pytest.raises(ValueError, match=rf"GRPO\.{pattern}"):
        small(Path("somewhere"), **wrong)


def test_running_out_of_memory_is_a_recipe_error(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(grpo_loop, "_trainer", full)
    with raises(RecipeError, model=str(start)) as caught:
        run(small(start), tmp_path / "work")
    assert "GRPO.batch_size" in caught.value.hint
