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
from assay.core.score import Label, Scale
from assay.models.text.requests import encode_prompt
from assay.text.instructions.dialogues import write_history
from components.trainers.killing import ends_as_if_it_had_not_been_killed, killed_at_the_fifth_step, only_checkpoint
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
    read = json.loads((Path(artifact.path).parent / "curves.json").read_text(encoding="utf-8"))
    return Curves(tuple(read["steps"]), read["values"])


def history_of(artifact: Artifact) -> list[Any]:
    found: list[Any] = json.loads((Path(artifact.path).parent / "history.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.full
def test_rewards_rise_and_what_is_watched_is_written(start: Path, tmp_path: Path) -> None:
    trainer = small(start, steps=25, prompts_per_step=4, num_generations=8, watch={"thirds": Even(3)}, warmup_ratio=0.0)
    artifact = run(trainer, tmp_path / "work")
    assert artifact.facts["last reward"] > artifact.facts["first reward"] + 0.15
    curves = curves_of(artifact)
    assert curves.steps == tuple(range(1, 26))
    own = {"reward", "reward even", "watch thirds", "kl", "length", "ended", "entropy", "alike", "clipped"}
    assert set(curves.values) == own
    assert all(None not in row for row in curves.values.values())
    assert curves.values["reward"] == curves.values["reward even"]
    assert curves.values["kl"][0] == pytest.approx(0, abs=1e-3)  # LoRA adds nothing before the first step
    assert artifact.facts["last kl"] > 0.05
    assert all(0 < one <= 8 for one in curves.values["length"] if one is not None)
    assert [step for step, _, _ in history_of(artifact)] == list(curves.steps)
    assert max(rate for _, _, rate in history_of(artifact)) == pytest.approx(1e-2)
    assert artifact.digest == weights_digest(Path(artifact.path))
    facts = {"steps": 25, "samples": 5, "seen": 25 * 32, "unrewarded": 0, "too long": 0, "held out": 0}
    assert {name: artifact.facts[name] for name in facts} == facts
    assert not (tmp_path / "work" / "checkpoints").exists()


def test_what_it_leaves_loads_answers_and_is_of_the_starts_own_kind(start: Path, tmp_path: Path) -> None:
    artifact = run(small(start), tmp_path / "work")
    before, after = (load_file(Path(one) / "model.safetensors") for one in (start, artifact.path))
    assert {name: (one.dtype, one.shape) for name, one in before.items()} == {
        name: (one.dtype, one.shape) for name, one in after.items()
    }
    assert any(not torch.equal(one, after[name]) for name, one in before.items())
    model = real_lab().models.text_model(artifact.path)
    (answer,) = model.complete([TextRequest((Message("user", "Say sea."),), Decoding(max_tokens=3))])
    assert hasattr(answer, "answers")
    assert AutoTokenizer.from_pretrained(artifact.path).chat_template == checkpoints.CHATML


@pytest.mark.full
@pytest.mark.parametrize(
    "more", [{}, {"method": "full", "learning_rate": 1e-3}, {"precision": "bfloat16"}, {"batch_size": 4}]
)
def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    more: dict[str, Any], start: Path, tmp_path: Path
) -> None:
    trainer = small(start, **more)
    first, again, other = (run(trainer, tmp_path / name, seed=seed) for name, seed in (("a", 7), ("b", 7), ("c", 8)))
    assert (first.digest, history_of(first), curves_of(first)) == (again.digest, history_of(again), curves_of(again))
    assert other.digest != first.digest


@pytest.mark.parametrize(
    ("more", "kept"),
    [
        ({"save_every": 2}, 4),
        ({"save_every": 2, "method": "full", "learning_rate": 1e-3}, 4),
        ({"save_every": 1, "num_iterations": 2, "batch_size": 4}, 4),
    ],
)
def test_a_training_that_was_killed_goes_on_and_ends_with_the_same_weights(
    more: dict[str, Any], kept: int, start: Path, tmp_path: Path
) -> None:
    """Also where steps share their answers, of which a checkpoint holds none."""
    rewards, watch = {"two": Even(), "three": Even(3)}, {"five": Even(5)}
    folder, trainer = tmp_path / "work", small(start, steps=8, rewards=rewards, watch=watch, **more)
    imports = "from reward_parts import Even, tasks\nfrom assay.components.trainers.reinforcement.grpo import GRPO"
    killed_at_the_fifth_step(folder, repr(trainer), "tasks()", imports, "real_lab")
    assert only_checkpoint(folder) == f"checkpoint-{kept}"
    whole = run(trainer, tmp_path / "whole")
    ends_as_if_it_had_not_been_killed(trainer, tasks(), real_lab(folder), whole, kept + 1)


@pytest.mark.full
def test_a_checkpoint_of_other_rewards_is_not_gone_on_from(start: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    trainer = small(start, save_every=1)

    def stop(step: int, _: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trainer.train(tasks(), replace(real_lab(folder), progress=stop))
    assert list((folder / "checkpoints").glob("checkpoint-*"))
    told: list[int] = []
    lab = replace(real_lab(folder), progress=lambda step, _: told.append(step))
    replace(trainer, rewards={"even": Even(5)}).train(tasks(), lab)
    assert told == [1, 2, 3, 4]


def test_steps_on_the_same_answers(start: Path, tmp_path: Path) -> None:
    curves = curves_of(run(small(start, num_iterations=2, learning_rate=0.1, warmup_ratio=0.0), tmp_path / "work"))
    rewards, clipped = curves.values["reward"], curves.values["clipped"]
    assert [one is None for one in rewards] == [False, True] * 2
    assert clipped[0] == clipped[2] == 0  # the policy that answered
    assert max(clipped[1], clipped[3]) > 0  # type: ignore[type-var]


def trainer_of(start: Path, folder: Path, **more: Any) -> Any:
    """TRL's trainer, made as `GRPO` makes it."""
    made: list[Any] = []

    def keep(job: Any, panel: RewardPanel, progress: Any) -> Any:
        made.append(grpo_loop._trainer(job, panel, grpo_loop.locate(job.config.model), progress))
        raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grpo_loop, "reinforce", keep)
        with pytest.raises(InterruptedError):
            run(small(start, **more), folder)
    return made[0]


@pytest.mark.parametrize("answers_only", [True, False])
def test_probabilities_are_those_of_the_model_read_alone(answers_only: bool, start: Path, tmp_path: Path) -> None:
    """Ours and TRL's own, of rows that are padded on both sides."""
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
        wanted = [float(logs[len(prompt) - 1 + place, token]) for place, token in enumerate(answer)]
        spread = [
            float(-(logs[len(prompt) - 1 + place].exp() * logs[len(prompt) - 1 + place]).sum())
            for place in range(len(answer))
        ]
        assert values[nth, : len(answer)].tolist() == pytest.approx(wanted, abs=1e-4)
        assert entropies[nth, : len(answer)].tolist() == pytest.approx(spread, abs=1e-4)


def test_a_task_is_asked_in_the_tokens_it_is_asked_in_elsewhere(start: Path, tmp_path: Path) -> None:
    before = (Message("user", "Hi.<|im_end|>"), Message("assistant", "Hello."))
    sample = Sample({"instruction": "Add.<|im_start|>", "input": "1 and 2", "history": write_history(before)})
    tokenizer = AutoTokenizer.from_pretrained(start)
    _, (row,) = small(start, system="Be brief.")._rows([sample])
    turns = (Message("system", "Be brief."), *before, Message("user", "Add.\n\n1 and 2"))
    assert list(row) == encode_prompt(tokenizer, turns, "it")
    assert "Hi.<|im_end|>\n<|im_start|>assistant" in tokenizer.decode(row)
    trainer = trainer_of(start, tmp_path / "work")
    assert trainer._tokenize_prompts(["1", "0"])[0] == [list(trainer.prompt_ids[1]), list(trainer.prompt_ids[0])]


def test_a_reward_is_the_score_turned_to_higher_is_better() -> None:
    lab = tiny_lab()
    answers = [Sample({"text": text}) for text in ("bb", "ab", "aa", "")]
    assert scorer_rewards("it", Even(), answers, lab).values == (1.0, 0.5, 0.0, 0.0)
    turned = scorer_rewards("it", Even(better="lower"), answers, lab)
    assert turned.values == (-1.0, -0.5, 0.0, -1.0)
    assert (turned.unread, turned.failed, turned.reasons) == (1, 0, ())
    assert lowest_reward(Scale("x", better="lower")) is None
    assert lowest_reward(Scale("x", low=-3)) == -3


def test_where_a_scale_has_no_worst_end_what_cannot_be_read_takes_no_part() -> None:
    class Endless(Even):
        scale = Scale("points")  # type: ignore[assignment]

    found = scorer_rewards("it", Endless(), [Sample({"text": "b"}), Sample({"text": ""})], tiny_lab())
    assert (found.values, found.unread, found.failed) == ((1.0, None), 0, 1)
    assert found.reasons == ("There is nothing to read.",)


def test_an_answer_at_which_a_checker_raises_costs_itself_alone(start: Path, tmp_path: Path) -> None:
    answers = [Sample({"text": "a" * length}) for length in (2, 3, 4)]
    found = scorer_rewards("it", Trouble("raises at long ones"), answers, tiny_lab())
    assert found.values == (0.002, None, 0.004)
    assert found.reasons == ("ZeroDivisionError: division by zero",)
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
def test_a_reward_that_gives_nothing_to_learn_from_is_said(
    how: Any, error: type[UserError], fields: dict[str, object], value: str, start: Path, tmp_path: Path
) -> None:
    with raises(error, **fields) as caught:
        run(small(start, rewards={"it": Trouble(how)}), tmp_path / "work")
    assert re.search(value, caught.value.message)


def test_rewards_that_never_differ_end_a_long_training_early(start: Path, tmp_path: Path) -> None:
    told: list[int] = []
    (tmp_path / "work").mkdir()
    lab = replace(real_lab(tmp_path / "work"), progress=lambda step, _: told.append(step))
    with raises(RecipeError, steps=10):
        small(start, rewards={"it": Trouble("same")}, steps=50).train(tasks(), lab)
    assert told == list(range(1, 11))


def test_what_is_watched_is_not_learnt_from(start: Path, tmp_path: Path) -> None:
    alone = run(small(start), tmp_path / "alone")
    watched = run(
        small(start, watch={"odd": Trouble("raises at long ones"), "gone": Trouble("raises")}), tmp_path / "watched"
    )
    assert watched.digest == alone.digest
    assert watched.facts == alone.facts
    assert "watch odd" in curves_of(watched).values
    assert "watch gone" not in curves_of(watched).values


@pytest.mark.full
def test_weights_turn_what_is_learnt(start: Path, tmp_path: Path) -> None:
    two = {"even": Even(), "thirds": Even(3)}
    both = run(small(start, rewards=two, weights={"thirds": -0.5}), tmp_path / "both")
    values = curves_of(both).values
    for whole, even, thirds in zip(values["reward"], values["reward even"], values["reward thirds"], strict=True):
        assert whole == pytest.approx(even - 0.5 * thirds, abs=1e-5)  # type: ignore[operator]
    assert run(small(start, rewards=two), tmp_path / "even").digest != both.digest


@pytest.mark.parametrize("method", ["lora", pytest.param("full", marks=pytest.mark.full)])
def test_held_out_prompts_are_measured_and_not_learnt_from(method: str, start: Path, tmp_path: Path) -> None:
    trainer = small(start, held_out=0.4, method=method, learning_rate=1e-3)
    samples = tasks()
    artifact = run(trainer, tmp_path / "work", samples)
    own, held = split_held_out(samples, 0.4)
    rows = json.loads((tmp_path / "work" / "held-out-rewards.json").read_text(encoding="utf-8"))
    assert [(row["id"], row["prompt"]) for row in rows] == [(one.id, prompt_digest(one)) for one in held]
    assert artifact.facts["held out"] == len(held) == 2
    assert {row["sampled"] for row in rows} == {0}
    lab = real_lab()
    for name, reference in (("before", str(start)), ("after", artifact.path)):
        asked = [TextRequest(trainer._prompt(one), Decoding(max_tokens=8)) for one in held]
        texts = [one.answers[0].text.strip() for one in lab.models.text_model(reference).complete(asked)]  # type: ignore[union-attr]
        earned = scorer_rewards("it", Even(), [Sample({"text": text}) for text in texts], lab).values
        assert [row[name] for row in rows] == list(earned)
    alone = run(replace(trainer, held_out=0.0), tmp_path / "alone", own)
    assert alone.digest == artifact.digest


def test_prompts_that_are_too_long_are_left_out(start: Path, tmp_path: Path) -> None:
    long = Sample({"instruction": "Say " + "x" * 200})
    artifact = run(small(start), tmp_path / "work", [*tasks(), long])
    assert (artifact.facts["too long"], artifact.facts["samples"]) == (1, 6)
    with raises(RecipeError, name="GRPO.max_length", samples=1, value=128):
        run(small(start), tmp_path / "none", [long])
    with raises(RecipeError, name="GRPO", samples=0):
        run(small(start), tmp_path / "nothing", [])
    with pytest.raises(FieldError, match="'instruction'"):
        run(small(start), tmp_path / "blank", [Sample({"instruction": " "})])
    assert [small(start).usable(one) for one in (long, Sample({"instruction": " "}), Sample({}))] == [
        True,
        False,
        False,
    ]


def test_randomness_is_as_it_was(start: Path, tmp_path: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    run(small(start, steps=1), tmp_path / "work")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"max_length": 510},
            r"max_length and max_tokens .*\b512\b.*\b510 and 8\b",
        ),
        ({"rank": 64}, r"GRPO\.rank .*\b64\b"),
        (
            {"rewards": {"it": TextEmbedding("tiny:letters")}},
            r"GRPO\.rewards\.it cannot be a reward: on its scale .* neither",
        ),
        (
            {"watch": {"it": RougeNovelty()}},
            r"GRPO\.watch\.it cannot be a reward: (on its scale|its score of an answer depends)",
        ),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_made(
    change: dict[str, Any], said: str, start: Path
) -> None:
    with pytest.raises(RecipeError, match=said):
        small(start, **change).check((), tiny_lab())


@pytest.mark.parametrize(
    ("wrong", "said"),
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
def test_wrong_arguments_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=rf"GRPO\.{said}"):
        small(Path("somewhere"), **wrong)


def test_running_out_of_memory_is_a_recipe_error(start: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    monkeypatch.setattr(grpo_loop, "_trainer", full)
    with raises(RecipeError, model=str(start)) as caught:
        run(small(start), tmp_path / "work")
    assert "GRPO.batch_size" in caught.value.hint
