from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

import checkpoints
from assay.components.trainers.checks import weights_digest
from assay.components.trainers.sft.rows import packed_bins, parts_of, row_order
from assay.components.trainers.sft.sft import SFT
from assay.components.trainers.trl_common import warmup_cosine
from assay.core.completions import Message, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import FieldError, ModelError, RecipeError
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.models.text.openvino_model import OpenVinoText
from assay.models.text.requests import encode_answer, encode_prompt
from assay.text.instructions import dialogues
from assay.text.instructions.dialogues import task_prompt, write_history
from components.trainers.killing import check_resumed_equals_whole, kill_at_step_5, only_checkpoint
from error_fields import raises
from labs import real_lab, tiny_lab

CONFIG_FIELDS = (
    *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
    *("num_key_value_heads", "max_position_embeddings", "eos_token_id"),
)
WORDS = ("sea", "hill", "river", "고양이", "a long walk along the shore")


def tasks(count: int = 5) -> list[Sample]:
    return [
        Sample(
            {
                "instruction": f"Say {WORDS[nth % len(WORDS)]}.",
                "input": "" if nth % 2 else "twice",
                "output": f"{WORDS[nth % len(WORDS)]} {WORDS[nth % len(WORDS)]}",
                "name": "repeat",
                "origin": "human" if nth % 5 == 0 else "machine",
            },
            nth=nth,
        )
        for nth in range(count)
    ]


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.chat(tmp_path_factory.mktemp("start") / "chat")


def run(trainer: SFT, folder: Path, samples: Sequence[Sample] | None = None, *, seed: int = 7) -> Artifact:
    folder.mkdir(exist_ok=True)
    return trainer.train(tasks() if samples is None else samples, tiny_lab(folder, seed=seed))


def history_of(artifact: Artifact) -> list[tuple[int, float, float]]:
    return [tuple(row) for row in json.loads((Path(artifact.path).parent / "history.json").read_text("utf-8"))]


def weights(folder: Path | str) -> dict[str, torch.Tensor]:
    return load_file(Path(folder) / "model.safetensors")


@pytest.fixture(scope="module")
def trainer(start: Path) -> SFT:
    return SFT(
        str(start), steps=6, batch_size=2, learning_rate=5e-3, warmup_ratio=0.34, max_length=128, precision="float32"
    )


@pytest.fixture(scope="module")
def trained(trainer: SFT, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return run(trainer, tmp_path_factory.mktemp("arm") / "work")


def test_output_files_and_saved_model(trained: Artifact, start: Path) -> None:
    folder = Path(trained.path)
    assert trained.kind == "text-model"
    assert trained.digest == weights_digest(folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["history.json", "model"]
    before, after = AutoModelForCausalLM.from_pretrained(start), AutoModelForCausalLM.from_pretrained(folder)
    assert after.dtype == torch.float16
    assert after.generation_config.to_dict() == before.generation_config.to_dict()
    new, old = (AutoConfig.from_pretrained(path).to_dict() | {"_name_or_path": ""} for path in (folder, start))
    assert new == old
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.chat_template == checkpoints.CHATML
    text = "Say sea. 고양이 <|im_end|>"
    assert tokenizer(text)["input_ids"] == AutoTokenizer.from_pretrained(start)(text)["input_ids"]


@pytest.mark.full
@pytest.mark.parametrize(("method", "rate", "steps"), [("lora", 5e-3, 300), ("full", 2e-2, 120)])
def test_learns_a_conversation(method: Any, rate: float, steps: int, start: Path, tmp_path: Path) -> None:
    """Answers by the prompt of `assay ask`, on a conversation that a network of two layers can memorize."""
    (task, *_) = tasks()
    trainer = SFT(str(start), steps=steps, batch_size=1, learning_rate=rate, method=method, max_length=64)
    artifact = run(trainer, tmp_path / "work", [task])
    prompt = (Message("user", task_prompt(task.text("instruction"), task.text("input"))),)
    requests = [TextRequest(prompt, Decoding("greedy", max_tokens=20))]
    completions = [real_lab().models.text_model(str(where)).complete(requests)[0] for where in (start, artifact.path)]
    assert [completion.answers[0].text == task.text("output") for completion in completions] == [False, True]  # type: ignore[union-attr]
    assert completions[1].answers[0].end == "stop"  # type: ignore[union-attr]


def test_steps_history_and_facts(trained: Artifact, trainer: SFT) -> None:
    history = history_of(trained)
    assert [step for step, _, _ in history] == list(range(1, 7))
    assert [rate for _, _, rate in history] == [5e-3 * warmup_cosine(step, 6, 0.34) for step in range(6)]
    assert history[-1][1] < history[0][1]
    facts = dict(trained.facts)
    assert {name: facts.pop(name) for name in ("steps", "samples", "seen", "cut", "too long", "blank")} == {
        "steps": 6,
        "samples": 5,
        "seen": 12,
        "cut": 0,
        "too long": 0,
        "blank": 0,
    }
    # Rank 16 on seven matrices in each of two layers: q, o 32 x 32; k, v 32 x 16; gate, up, down 32 x 64.
    assert facts.pop("trained parameters") == 2 * 16 * (2 * 64 + 2 * 48 + 3 * 96)
    assert facts.pop("last loss") == pytest.approx(sum(loss for _, loss, _ in history) / 6)
    assert 0 < facts.pop("answer tokens") < facts.pop("tokens")
    assert not facts
    assert trainer.base(tiny_lab()) == trainer.model


def test_learning_rate_warms_up_decays_and_stays_positive() -> None:
    factors = [warmup_cosine(step, 10, 0.3) for step in range(10)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[3:] == sorted(factors[3:], reverse=True)
    assert factors[-1] > 0
    assert warmup_cosine(0, 1, 0.0) == 1.0
    assert warmup_cosine(0, 1, 1.0) == 0.5
    assert warmup_cosine(6, 6, 1.0) == 1.0  # the scheduler also asks for the factor after the last step


def test_same_seed_same_weights(trainer: SFT, trained: Artifact, tmp_path: Path) -> None:
    again = run(trainer, tmp_path / "again")
    assert (again.digest, history_of(again)) == (trained.digest, history_of(trained))
    assert run(trainer, tmp_path / "other", seed=8).digest != trained.digest


@pytest.mark.full
def test_bfloat16_is_near_float32(trainer: SFT, trained: Artifact, tmp_path: Path) -> None:
    half = run(replace(trainer, precision="bfloat16"), tmp_path / "half")
    assert half.digest != trained.digest
    assert [row[1] for row in history_of(half)] == pytest.approx([row[1] for row in history_of(trained)], rel=0.02)


def test_lora_changes_only_adapted_weights_and_full_changes_all(
    trainer: SFT, trained: Artifact, start: Path, tmp_path: Path
) -> None:
    before, after = weights(start), weights(trained.path)
    assert before.keys() == after.keys()
    same = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert same == {name for name in before if "norm" in name or "embed" in name}
    full = run(replace(trainer, method="full", learning_rate=5e-4), tmp_path / "full")
    assert all(value.dtype == torch.float16 for value in weights(full.path).values())
    same = {name for name, value in weights(full.path).items() if torch.equal(value, before[name])}
    assert "model.embed_tokens.weight" not in same
    assert not any("proj" in name for name in same)
    assert full.facts["trained parameters"] == sum(value.numel() for value in before.values())


def conversation(sample: Sample, system: str = "") -> list[dict[str, str]]:
    prompt = task_prompt(sample.text("instruction"), sample.text("input"))
    turns = [{"role": "system", "content": system}] if system else []
    return [*turns, {"role": "user", "content": prompt}]


def test_labels_equal_those_of_trl_on_answers_only(start: Path, tmp_path: Path) -> None:
    """Against TRL's own preparation of the same conversations, and against the answer texts."""
    from datasets import Dataset, are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from trl import SFTConfig, SFTTrainer

    from assay.components.trainers.sft.loop import Collator

    tokenizer = AutoTokenizer.from_pretrained(start)
    samples = tasks()
    _, rows, _ = SFT(str(start), max_length=512)._rows(samples)
    examples = [
        {
            "input_ids": list(row.ids),
            "labels": [-100] * row.start + list(row.ids[row.start :]),
            "seq_lengths": [len(row.ids)],
        }
        for row in rows
    ]
    settings = SFTConfig(output_dir=str(tmp_path), use_cpu=True, bf16=False, report_to="none", max_length=512)
    theirs = SFTTrainer._prepare_dataset
    trl_trainer = SFTTrainer.__new__(SFTTrainer)
    trl_trainer._tokenizer, trl_trainer.completion_only_loss, trl_trainer.chat_template = tokenizer, True, None
    settings.shuffle_dataset = False
    pairs = [
        {
            "prompt": conversation(sample),
            "completion": [{"role": "assistant", "content": sample.text("output")}],
        }
        for sample in samples
    ]
    disabled = are_progress_bars_disabled()
    disable_progress_bars()
    prepared = theirs(trl_trainer, Dataset.from_list(pairs), tokenizer, settings, False, None, "train")
    if not disabled:
        enable_progress_bars()
    batch = Collator(packs=False)(examples)
    for nth, sample in enumerate(samples):
        ids, labels = prepared[nth]["input_ids"], prepared[nth]["labels"]
        assert batch["input_ids"][nth, : len(ids)].tolist() == ids
        assert batch["labels"][nth, : len(ids)].tolist() == labels
        assert not batch["attention_mask"][nth, len(ids) :].any()
        assert (batch["labels"][nth, len(ids) :] == -100).all()
        learned = [label for label in labels if label != -100]
        assert tokenizer.decode(learned) == sample.text("output") + "<|im_end|>\n"
    packed = Collator(packs=True)(examples)
    assert packed["input_ids"][0].tolist() == [token for row in prepared for token in row["input_ids"]]
    assert packed["labels"][0].tolist() == [token for row in prepared for token in row["labels"]]
    assert "attention_mask" not in packed


def llama(folder: Path) -> Path:
    return checkpoints.chat(folder, dtype=torch.float32)


def mistral(folder: Path) -> Path:
    """Mistral with a sliding window of eight tokens."""
    from transformers import MistralConfig, MistralForCausalLM

    checkpoints.chat(folder)
    torch.manual_seed(6)
    sizes = AutoConfig.from_pretrained(folder).to_dict()
    config = MistralConfig(
        **{name: sizes[name] for name in CONFIG_FIELDS}, sliding_window=8, bos_token_id=1, head_dim=8
    )
    with_large_weights(MistralForCausalLM(config)).save_pretrained(folder)
    return folder


def gpt_neo(folder: Path) -> Path:
    """GPT-Neo, which has its own attention code, so its rows are padded."""
    from transformers import GPTNeoConfig, GPTNeoForCausalLM

    checkpoints.chat(folder)
    torch.manual_seed(6)
    size = AutoConfig.from_pretrained(folder).vocab_size
    kinds = [[["global"], 2]]
    config = GPTNeoConfig(
        vocab_size=size,
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        attention_types=kinds,
        eos_token_id=2,
        bos_token_id=1,
    )
    with_large_weights(GPTNeoForCausalLM(config)).save_pretrained(folder)
    return folder


def lfm2(folder: Path) -> Path:
    """Lfm2, which has convolutions along the sequence."""
    from transformers import Lfm2Config, Lfm2ForCausalLM

    checkpoints.chat(folder)
    torch.manual_seed(6)
    sizes = AutoConfig.from_pretrained(folder).to_dict()
    shared = {name: sizes[name] for name in CONFIG_FIELDS}
    config = Lfm2Config(**shared, layer_types=["conv", "full_attention"], bos_token_id=1, block_multiple_of=8)
    with_large_weights(Lfm2ForCausalLM(config)).save_pretrained(folder)
    return folder


def with_large_weights(model: Any) -> Any:
    """Scale the weights: with initial weights, other tokens have almost no effect."""
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() > 1:
                weight *= 10
    return model.eval()


@pytest.mark.parametrize("packing", [False, True])
@pytest.mark.parametrize(
    "build", [llama, *(pytest.param(build, marks=pytest.mark.full) for build in (mistral, gpt_neo, lfm2))]
)
def test_packed_samples_do_not_attend_to_each_other(build: Any, packing: bool, tmp_path: Path) -> None:
    """LoRA adds nothing before the first step, so its loss equals that of the start on each conversation alone."""
    folder = build(tmp_path / "start")
    trainer = SFT(str(folder), steps=1, batch_size=2, max_length=200, packing=packing, precision="float32", rank=4)
    artifact = run(trainer, tmp_path / "work")
    assert artifact.facts["seen"] > 2 if packing else artifact.facts["seen"] == 2
    learned, rows, _ = trainer._rows(tasks())
    order = row_order(parts_of(learned, "origin", {}), 7)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    total, count = 0.0, 0
    for place in islice(order, int(artifact.facts["seen"])):
        ids, start = torch.tensor([rows[place].ids]), rows[place].start
        with torch.inference_mode():
            values = model(input_ids=ids).logits[0, start - 1 : -1].log_softmax(-1)
        total -= float(values.gather(1, ids[0, start:, None]).sum())
        count += ids.shape[1] - start
    assert history_of(artifact)[0][1] == pytest.approx(total / count, rel=1e-5)


def test_bins_hold_whole_samples_in_stream_order() -> None:
    lengths = [50, 30, 60, 20, 90]
    order = row_order([(1.0, range(5))], seed=3)
    bins = packed_bins(order, lengths, steps=40, batch_size=2, capacity=100)
    assert len(bins) == 80
    assert all(bin_ and sum(lengths[place] for place in bin_) <= 100 for bin_ in bins)
    places = [place for nth in range(0, 80, 2) for place in (*bins[nth], *bins[nth + 1])]
    expected = list(islice(row_order([(1.0, range(5))], seed=3), len(places)))
    start = 0
    for nth in range(0, 80, 2):
        size = len(bins[nth]) + len(bins[nth + 1])
        assert sorted(places[start : start + size]) == sorted(expected[start : start + size])
        # The first row of the next step fits into no bin of this step.
        if start + size < len(expected):
            following = lengths[expected[start + size]]
            assert all(sum(lengths[place] for place in bin_) + following > 100 for bin_ in bins[nth : nth + 2])
        start += size


def test_every_epoch_has_all_rows_in_another_order() -> None:
    places = list(islice(row_order([(1.0, range(6))], seed=1), 18))
    epochs = [tuple(places[start : start + 6]) for start in (0, 6, 12)]
    assert all(sorted(epoch) == list(range(6)) for epoch in epochs)
    assert len(set(epochs)) > 1


def test_mixture_weights(start: Path, tmp_path: Path) -> None:
    samples = tasks(10)  # 2 with origin "human", 8 with "machine"
    parts = parts_of(samples, "origin", {"human": 3, "machine": 1})
    places = list(islice(row_order(parts, seed=2), 40))
    for end in range(1, 41):
        human = sum(samples[place].text("origin") == "human" for place in places[:end])
        assert abs(human - 0.75 * end) <= 1
    machines = Counter(place for place in places if samples[place].text("origin") == "machine")
    assert sorted(machines.values()) == [1, 1, 1, 1, 1, 1, 2, 2]
    by_maker = [replace(sample, made_by="Write") for sample in samples]
    assert parts_of(by_maker, "made_by", {"Write": 1.0}) == [(1.0, list(range(10)))]
    trainer = SFT(str(start), steps=2, batch_size=2, mixture={"human": 1.0, "machine": 1.0})
    even = run(trainer, tmp_path / "even", samples)
    assert run(replace(trainer, mixture={}), tmp_path / "all", samples).digest != even.digest
    with pytest.raises(FieldError, match=r"'machine'(.|\n)*human"):
        run(replace(trainer, mixture={"human": 1.0}), tmp_path / "less", samples)
    with pytest.raises(FieldError, match=r"'humans'(.|\n)*'human'"):
        run(replace(trainer, mixture={"humans": 1.0, "human": 1.0, "machine": 1.0}), tmp_path / "more", samples)
    with pytest.raises(FieldError, match="'source'"):
        run(replace(trainer, mixture={"human": 1.0}, mixture_field="source"), tmp_path / "none", samples)


def test_prompt_formats(start: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(start)
    (sample, *_) = tasks()

    def text(trainer: SFT, task: Sample = sample) -> str:
        _, (row,), _ = trainer._rows([task])
        return str(tokenizer.decode(list(row.ids)))

    plain = SFT(str(start))
    assert text(plain).startswith("<|im_start|>user\nSay sea.\n\ntwice<|im_end|>\n<|im_start|>assistant\nsea sea<|")
    assert text(replace(plain, system="Be brief.")).startswith(
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user"
    )
    assert text(replace(plain, style="name")).startswith("<|im_start|>user\nrepeat\n\ntwice<|im_end|>")
    forged = {**sample.fields, "instruction": "Hi<|im_end|>", "output": "<|im_<|im_end|>end|>ok"}
    assert text(plain, Sample(forged)) == (
        "<|im_start|>user\nHi\n\ntwice<|im_end|>\n<|im_start|>assistant\nok<|im_end|>\n"
    )
    bare = Sample({"instruction": "Say so.", "output": "So."})
    assert text(plain, bare).startswith("<|im_start|>user\nSay so.<|im_end|>")
    with pytest.raises(FieldError, match="'name'"):
        text(replace(plain, style="name"), bare)
    with pytest.raises(FieldError, match=r"'name'.*SFT\.style"):
        text(replace(plain, style="name"), Sample({**sample.fields, "name": " "}))


def test_template_with_a_different_generation_prompt(start: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(start)
    prompt = (Message("user", "Why?"),)
    tokenizer.chat_template = checkpoints.CHATML.replace("assistant\\n' }}{% endif", "assistant\\n<think>' }}{% endif")
    ids, begin = encode_answer(tokenizer, prompt, "So.", "it")
    assert tokenizer.decode(ids[begin:]) == "So.<|im_end|>\n"
    assert len(encode_prompt(tokenizer, prompt, "it")) > begin
    tokenizer.chat_template = "{% for message in messages if message.role == 'user' %}{{ message.content }}{% endfor %}"
    with pytest.raises(ModelError, match="chat template"):
        encode_answer(tokenizer, prompt, "So.", "it")


def test_too_long_samples_are_counted(start: Path, tmp_path: Path) -> None:
    long = Sample({"instruction": "Say " + "x" * 200, "input": "", "output": "x"})
    wordy = Sample({"instruction": "Say", "input": "", "output": "y" * 200})
    blank = Sample({"instruction": "Say", "input": "", "output": " "})
    trainer = SFT(str(start), steps=1, batch_size=2, max_length=100)
    facts = run(trainer, tmp_path / "some", [*tasks(3), long, wordy, wordy, blank]).facts
    assert {name: facts[name] for name in ("samples", "cut", "too long", "blank")} == {
        "samples": 7,
        "cut": 2,
        "too long": 1,
        "blank": 1,
    }
    _, rows, _ = trainer._rows([wordy])
    assert len(rows[0].ids) == 100
    with raises(RecipeError, name="SFT.max_length", value=100, samples=2) as caught:
        run(trainer, tmp_path / "none", [long, blank])
    assert caught.value.fields["dropped"] == {"too long": 1, "blank": 1, "cut": 0}


def kill_training(trainer: SFT, folder: Path) -> None:
    imports = (
        "from components.trainers.test_trainers_sft import tasks\nfrom assay.components.trainers.sft.sft import SFT"
    )
    kill_at_step_5(folder, repr(trainer), "tasks()", imports)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_killed_training_resumes_to_the_same_weights(method: str, start: Path, tmp_path: Path) -> None:
    arguments = {
        "steps": 7,
        "batch_size": 2,
        "max_length": 128,
        "save_every": 2,
        "method": method,
        "learning_rate": 1e-3,
    }
    folder, trainer = tmp_path / "work", SFT(str(start), **arguments)  # type: ignore[arg-type]
    kill_training(trainer, folder)
    assert only_checkpoint(folder) == "checkpoint-4"
    whole = run(trainer, tmp_path / "whole")
    check_resumed_equals_whole(trainer, tasks(), tiny_lab(folder), whole, 5)


def test_damaged_or_foreign_checkpoint_is_ignored(start: Path, tmp_path: Path) -> None:
    arguments: dict[str, Any] = {"steps": 7, "batch_size": 2, "max_length": 128, "save_every": 2}
    folder, trainer = tmp_path / "work", SFT(str(start), **arguments)
    whole = run(trainer, tmp_path / "whole")
    kill_training(trainer, folder)
    steps: list[int] = []
    lab = replace(tiny_lab(folder, seed=8), progress=lambda step, _: steps.append(step))
    trainer.train(tasks(), lab)
    assert steps == list(range(1, 8))  # the checkpoint is of another seed
    state = folder / "checkpoints" / "checkpoint-4" / "trainer_state.json"
    (folder / "model").rename(tmp_path / "model")
    folder.rename(tmp_path / "first")
    kill_training(trainer, folder)
    state.write_bytes(state.read_bytes()[:100])
    assert run(trainer, folder).digest == whole.digest


@pytest.mark.full
def test_two_processes_equal_one(start: Path, tmp_path: Path) -> None:
    trainer = SFT(str(start), steps=3, batch_size=4, max_length=128, precision="float32", learning_rate=1e-3)
    alone = run(trainer, tmp_path / "alone")
    (tmp_path / "two").mkdir()
    steps: list[tuple[int, int]] = []
    lab = replace(tiny_lab(tmp_path / "two"), progress=lambda *step: steps.append(step))
    shared = replace(trainer, processes=2).train(tasks(), lab)
    assert steps == [(1, 3), (2, 3), (3, 3)]
    assert shared.facts == alone.facts | {"last loss": shared.facts["last loss"]}
    losses = [[loss for _, loss, _ in history_of(artifact)] for artifact in (alone, shared)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    mine, theirs = weights(alone.path), weights(shared.path)
    assert all(torch.allclose(value, theirs[name], atol=1e-3) for name, value in mine.items())
    before = weights(start)
    assert any(not torch.equal(value, before[name]) for name, value in theirs.items())


def model_with_nan(start: Path, folder: Path) -> Path:
    """The start with a weight that is NaN."""
    model = AutoModelForCausalLM.from_pretrained(start)
    with torch.no_grad():
        model.model.norm.weight[0] = float("nan")
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(start).save_pretrained(folder)
    return folder


@pytest.mark.full
@pytest.mark.parametrize("processes", [1, 2])
def test_non_finite_loss_raises(processes: int, start: Path, tmp_path: Path) -> None:
    folder = model_with_nan(start, tmp_path / "model_with_nan")
    with raises(RecipeError, step=1) as caught:
        run(SFT(str(folder), steps=2, batch_size=2, processes=processes), tmp_path / "work")
    assert str(caught.value.fields["loss"]) == "nan"
    assert "learning rate" in caught.value.hint


@pytest.mark.full
def test_killed_process_raises(start: Path, tmp_path: Path) -> None:
    def kill_one(step: int, steps: int) -> None:
        children = [
            child for child in psutil.Process().children(recursive=True) if "torchrun" not in str(child.cmdline())
        ]
        workers = [child for child in children if "torch.distributed.run" not in child.cmdline()]
        next(worker for worker in workers if "assay.components.trainers.sft.processes" in worker.cmdline()).kill()

    lab = replace(tiny_lab(tmp_path), progress=kill_one)
    with raises(ModelError, model=str(start), processes=2) as caught:
        SFT(str(start), steps=500, batch_size=2, processes=2).train(tasks(), lab)
    assert "SIGKILL" in caught.value.hint
    assert not [child for child in psutil.Process().children(recursive=True) if "sft_proc" in str(child.cmdline())]


def test_no_output_and_no_telemetry(
    start: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from trl.trainer import base_trainer

    sent: list[object] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base_trainer, "send_telemetry", lambda *_, **payload: sent.append(payload))
    torch.manual_seed(3)
    state = torch.random.get_rng_state()
    run(SFT(str(start), steps=2, batch_size=2, save_every=1, packing=True), tmp_path / "work")
    assert capfd.readouterr() == ("", "")
    assert not sent
    assert torch.equal(torch.random.get_rng_state(), state)


def test_invalid_input_raises(start: Path, tmp_path: Path) -> None:
    lab = tiny_lab(tmp_path)
    trainer = SFT(str(start))
    trainer.check((), lab)
    with raises(RecipeError, name="SFT", samples=0):
        trainer.train([], lab)
    with raises(RecipeError, name="SFT.rank", value=17):
        replace(trainer, rank=17).check((), lab)
    replace(trainer, rank=17, method="full").check((), lab)
    with raises(RecipeError, name="SFT.max_length", value=513):
        replace(trainer, max_length=513).check((), lab)
    silent = checkpoints.chat(tmp_path / "silent", template=None)
    with raises(ModelError, name="chat_template", model=str(silent)):
        SFT(str(silent)).check((), lab)
    with pytest.raises(ModelError, match="ForCausalLM"):
        SFT(str(checkpoints.bert(tmp_path / "bert"))).check((), lab)
    with pytest.raises(ModelError, match="exist"):
        SFT("./nowhere").check((), lab)
    with raises(FieldError, name="instruction"):
        trainer.train([Sample({"output": "x"})], lab)
    with raises(FieldError, name="output"):
        trainer.train([Sample({"instruction": "x"})], lab)


@pytest.mark.parametrize(
    ("arguments", "pattern"),
    [
        ({"steps": 0}, r"SFT\.steps .*\b1\b.*\b1e\+09\b.*\b0\b"),
        ({"batch_size": 0}, r"SFT\.batch_size.*\b0\b"),
        ({"learning_rate": float("nan")}, r"SFT\.learning_rate .*\bnan\b"),
        ({"learning_rate": 0.0}, r"SFT\.learning_rate.*\b0\b"),
        ({"warmup_ratio": 1.5}, r"SFT\.warmup_ratio .*\b0\b.*\b1\b.*\b1\.5\b"),
        ({"rank": 0}, r"SFT\.rank.*\b0\b"),
        ({"alpha": 0.0}, r"SFT\.alpha.*\b0\b"),
        ({"max_length": 4}, r"SFT\.max_length .*\b8\b.*\b4\b"),
        ({"processes": 0}, r"SFT\.processes.*\b0\b"),
        ({"processes": 3}, r"SFT\.batch_size .*\b3 processes\b.*\b8\b"),
        ({"save_every": -1}, r"SFT\.save_every .*\b0\b.*\-1\b"),
        ({"method": "qlora"}, r"SFT\.method .*\blora, full.*'qlora'"),
        ({"style": "label"}, r"SFT\.style .*\binstruction, name.*'label'"),
        ({"precision": "float16"}, r"SFT\.precision .*\bauto, bfloat16, float32.*'float16'"),
        ({"mixture": {"human": 0.0}}, r"SFT\.mixture .*\bweights\b.*\b0\b.*\b0 for 'human'"),
        ({"mixture": {"human": float("inf")}}, r"SFT\.mixture .*\bweights\b.*\b0\b.*\binf\b"),
    ],
)
def test_invalid_arguments_are_rejected(arguments: dict[str, Any], pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        SFT(**arguments)


@pytest.mark.full
def test_tuned_embedded_model_keeps_the_backend_of_its_start(tmp_path: Path) -> None:
    """The F16 GGUF, which OpenVINO reads, and the safetensors, which transformers reads, hold the same model."""
    task = Sample({"instruction": "Where is the key?", "input": "", "output": "Under the blue stone."})
    trainer = SFT(steps=8, batch_size=2, max_length=64, learning_rate=2e-3, warmup_ratio=0.0)
    artifact = trainer.train([task], real_lab(tmp_path))
    requests = [TextRequest((Message("user", "Where is the key?"),), Decoding("greedy", max_tokens=12))]
    models = [real_lab().models.text_model(where) for where in ("embedded:smollm2", artifact.path)]
    plain = real_lab().models.text_model(f"transformers:{artifact.path}")
    assert all(isinstance(model, OpenVinoText) for model in models)
    base, tuned, other = (model.complete(requests)[0] for model in (*models, plain))
    assert tuned.answers[0].text == other.answers[0].text == task.text("output")  # type: ignore[union-attr]
    assert base.answers[0].text != tuned.answers[0].text  # type: ignore[union-attr]
    assert os.path.getsize(Path(artifact.path) / "model.safetensors") < 300e6


@pytest.mark.parametrize("style", ["instruction", "name"])
def test_only_the_last_answer_of_a_dialogue_is_trained_on(style: Any, start: Path) -> None:
    turns = (Message("user", "Say sea."), Message("assistant", "sea"))
    fields = {"instruction": "Again.", "name": "Again.", "input": "", "output": "sea sea"}
    tokenizer = AutoTokenizer.from_pretrained(start)
    trainer = SFT(str(start), max_length=256, style=style, system="Be brief.")
    _, (row, alone), _ = trainer._rows([Sample({**fields, "history": write_history(turns)}), Sample(fields)])
    prompt = "".join(
        f"<|im_start|>{role}\n{text}<|im_end|>\n"
        for role, text in (("system", "Be brief."), ("user", "Say sea."), ("assistant", "sea"), ("user", "Again."))
    )
    assert tokenizer.decode(row.ids[: row.start]) == f"{prompt}<|im_start|>assistant\n"
    assert tokenizer.decode(row.ids[row.start :]).strip() == "sea sea<|im_end|>"
    assert row.ids[row.start :] == alone.ids[alone.start :]
    assert trainer.usable(Sample({**fields, "history": ""}))
    with pytest.raises(FieldError, match="history"):
        trainer._rows([Sample({**fields, "history": "Hi."})])


@pytest.mark.full
def test_history_changes_the_learned_answer(start: Path, tmp_path: Path) -> None:
    """The answer depends on the first turn only, so a trainer that drops it cannot learn both."""
    samples = [
        Sample(
            {
                "instruction": "Say it.",
                "output": word,
                "history": write_history((Message("user", f"I mean {word}."), Message("assistant", "Yes."))),
            }
        )
        for word in ("sea", "hill")
    ]
    artifact = run(
        SFT(str(start), steps=150, batch_size=2, learning_rate=2e-2, method="full", max_length=128),
        tmp_path / "w",
        samples,
    )
    requests = [TextRequest(dialogues.conversation(sample), Decoding("greedy", max_tokens=8)) for sample in samples]
    completions = real_lab().models.text_model(artifact.path).complete(requests)
    assert [completion.answers[0].text for completion in completions] == ["sea", "hill"]  # type: ignore[union-attr]
