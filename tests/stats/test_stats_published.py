"""benchmarks/published.py on the command line."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from runpy import run_path

import pytest

from assay.components.sources.tasks.mmlu import Mmlu
from assay.core.completions import Answer, Capabilities, Completion, Continuations, Likelihood, TextRequest
from assay.core.decoding import parse_strategy
from assay.core.lab import Lab
from assay.evaluation.plan import EvalCell, cells, parse_prompt_setup
from assay.evaluation.run import Evaluation
from assay.evaluation.tasks import parse_task
from assay.store.images import StoredImages
from assay.store.run_folder import RunFolder
from command_line import environment
from labs import TinyModels
from question_files import write
from shared_data import shared

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LLMFAO = ("llmfao-votes.csv", "llmfao-bradley-terry.csv")
CHEAP = ("llmbar", "llmfao", "rouge", "judges")
MODEL = "embedded:smollm2"
CHARACTERS = "difficulty,baseline_characters,verbose_characters,concise_characters"


def published(folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / "published.py"), "--data", str(folder), *map(str, options)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=600, check=False)


def figures(folder: Path, *options: object) -> dict[str, dict[str, float]]:
    process = published(folder, "--json", *options)
    assert process.returncode == 0, process.stdout + process.stderr
    return {row["name"]: row for row in map(json.loads, process.stdout.splitlines())}


def preferences(folder: Path) -> None:
    """Write forty pairs, verdicts of two judges, and votes."""
    pairs = [
        {"input": f"Say {nth}.", "output_1": "word " * (nth % 9 + 1), "output_2": "word " * (nth % 5 + 2) + str(nth),
         "label": str(nth % 2 + 1), "winner_as_given": "1", "winner_swapped": str(nth % 2 + 1)}
        for nth in range(40)
    ]  # fmt: skip
    for judge in ("gpt-4", "own"):
        write(folder / f"llmbar-natural-{judge}.jsonl", "\n".join(map(json.dumps, pairs)))
    votes = "model_a,model_b,winner\n" + "red,blue,model_a\n" * 3 + "red,blue,model_b\n"
    write(folder / LLMFAO[0], votes)
    write(folder / LLMFAO[1], "item,bradley_terry\nred,0.75\nblue,0.25\ngreen,0.5\n")


def test_an_empty_folder_skips_every_family(tmp_path: Path) -> None:
    process = published(tmp_path)
    assert process.returncode == 0, process.stderr
    for name, lack in (
        ("alpaca-eval", "alpaca-eval/items.csv"),
        ("llmbar", "llmbar-natural-*.jsonl"),
        ("llmfao", "llmfao-votes.csv"),
        ("rouge", "rouge-vectors.json"),
        ("judges", "llmbar-natural-*.jsonl"),
        ("perplexity", "wikitext-2-test.txt"),
        ("gsm8k", "gsm8k-test.jsonl"),
        ("mmlu", "mmlu/dev/*.csv"),
        ("harness", "mmlu/dev/*.csv"),
    ):
        assert f"\n{name}: skipped, {lack} is not in {tmp_path}\n" in process.stdout


def test_a_folder_of_other_data_is_evaluated(tmp_path: Path) -> None:
    preferences(tmp_path)
    process = published(tmp_path, "--quick", "--only", *CHEAP)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "rouge: skipped" in process.stdout
    assert "llmfao: green is left out, nobody voted on it" in process.stdout
    assert "published for 100 pairs, here are 40" in process.stdout
    assert "the verdicts depend mostly on position" in " ".join(process.stdout.split())
    assert "the judge has a length bias" in " ".join(process.stdout.split())
    lines = [line for line in process.stdout.splitlines() if line.startswith(("figure", "llmfao, ", "Judge", "LLMBar"))]
    ours = lines[0].index("ours") + len("ours")
    assert len(lines) > 10
    assert all(line[ours - 1 : ours + 1].strip() == line[ours - 1] != " " for line in lines), "columns are not aligned"


def test_figures_of_a_small_folder(tmp_path: Path) -> None:
    preferences(tmp_path)
    results = figures(tmp_path, "--only", "llmbar", "llmfao", "judges")
    assert results["LLMBar Natural, own, agreement"]["ours"] == pytest.approx(50)
    assert results["LLMBar Natural, gpt-4, accuracy"]["ours"] == pytest.approx(75)
    assert results["llmfao, red, strength"]["difference"] == pytest.approx(0, abs=1e-12)
    conflict = results["Judge that always says A, 40 pairs of LLMBar, orders disagree, %"]
    assert (conflict["published"], conflict["ours"], conflict["bound"]) == (100, 100, 0)
    length = "Judge that prefers the longer text"
    assert results[f"{length}, the longer wins, %"]["ours"] == 100
    raw, controlled = (results[f"{length}, {kind} win rate, %"]["ours"] for kind in ("raw", "length-controlled"))
    assert raw > 65
    assert controlled < raw


def test_models_without_published_results_are_evaluated(tmp_path: Path) -> None:
    folder = shared("alpaca-eval") / "alpaca-eval"
    texts = {
        name: (folder / f"{name}.csv").read_text(encoding="utf-8") for name in ("items", "annotations", "published")
    }
    head, *rows = texts["annotations"].splitlines()
    model_rows = [row for row in rows if row.startswith("wizardlm-13b,")]
    renamed = [row.replace("wizardlm-13b,", "newcomer,") for row in model_rows]
    first, *published_rows = texts["published"].splitlines()
    published_lines = [first, *(row for row in published_rows if row.startswith("wizardlm-13b,")), "absent,50,1,50"]
    for name, lines in (("annotations", [head, *model_rows, *renamed]), ("published", published_lines)):
        write(tmp_path / "alpaca-eval" / f"{name}.csv", "\n".join(lines) + "\n")
    write(tmp_path / "alpaca-eval" / "items.csv", texts["items"])
    process = published(tmp_path, "--only", "alpaca-eval", "--json")
    assert process.returncode == 0, process.stdout + process.stderr
    assert process.stderr == "AlpacaEval 2: absent is left out, annotations.csv has none of it\n"
    results = {row["name"]: row for row in map(json.loads, process.stdout.splitlines())}
    ours, theirs = (results[f"AlpacaEval 2, {name}, length-controlled"] for name in ("wizardlm-13b", "newcomer"))
    assert ours["ours"] == theirs["ours"]
    assert ours["published"] is not None
    assert theirs["published"] is None
    assert len(results) == 7


def test_a_missed_bound_has_exit_code_one(tmp_path: Path) -> None:
    votes, strengths = ((shared(*LLMFAO) / name).read_text(encoding="utf-8") for name in LLMFAO)
    (tmp_path / LLMFAO[0]).write_text(votes, encoding="utf-8")
    (tmp_path / LLMFAO[1]).write_text(strengths, encoding="utf-8")
    assert published(tmp_path).returncode == 0
    (tmp_path / LLMFAO[1]).write_text(strengths.replace("0.0412178", "0.0412179"), encoding="utf-8")
    process = published(tmp_path)
    assert process.returncode == 1
    assert process.stdout.count("MISSED") == 1


def test_a_bound_from_below_can_be_missed() -> None:
    figure = run_path(str(BENCHMARKS / "figures.py"))["Figure"]
    assert not figure("ratio", None, 2.0, at_least=2.0).missed
    assert figure("ratio", None, 1.99, at_least=2.0).missed
    assert figure("ratio", None, float("nan"), at_least=2.0).missed
    assert not figure("ratio", None, 0.0).missed


BAD = (
    {
        "alpaca-eval/annotations.csv": ("model,item\nred,0\n", "alpaca-eval: FAILED", "there is no 'preference'"),
        "llmbar-natural-own.jsonl": ("{oh", "llmbar: FAILED", "line 1: not JSON"),
        LLMFAO[0]: ("model_a,model_b,winner\nred,blue,red\n", "llmfao: FAILED", "llmfao-votes.csv: "),
        "rouge-vectors.json": ("[]", "rouge: FAILED", "does not hold google-research/rouge's pairs"),
        "mmlu/test/anatomy_test.csv": ("a,b\n", "mmlu: FAILED", "the first row must name the columns"),
        "gsm8k-test.jsonl": ('{"question": "Two?", "answer": "2"}', "gsm8k: FAILED", "answer must end with '#### '"),
    },
    {
        "alpaca-eval/annotations.csv": (
            "model,item,preference,model_characters,baseline_characters\nred,0,good,1,2\n",
            "alpaca-eval: FAILED",
            "preference must be a number, was 'good'",
        ),
        "llmbar-natural-own.jsonl": ('{"input": "Say."}', "judges: FAILED", "there is no 'output_1'"),
    },
)


@pytest.mark.parametrize("files", BAD)
def test_invalid_files_have_one_message_per_family_and_exit_code_one(
    tmp_path: Path, files: dict[str, tuple[str, str, str]]
) -> None:
    write(tmp_path / "alpaca-eval" / "items.csv", f"item,{CHARACTERS}\n0,0.5,100,200,50\n")
    write(tmp_path / "alpaca-eval" / "published.csv", "model,win_rate,standard_error,length_controlled_win_rate\n")
    write(tmp_path / LLMFAO[1], "item,bradley_terry\nred,0.75\n")
    write(tmp_path / "mmlu" / "dev" / "anatomy_dev.csv", "Which?,a,b,c,d,A\n" * 5)
    for name, (content, _, _) in files.items():
        write(tmp_path / name, content)
    process = published(tmp_path)
    assert process.returncode == 1, process.stdout
    for _, family, message in files.values():
        assert family in process.stdout
        assert message in process.stdout
    assert "Traceback" not in process.stderr


@dataclass
class StubModel:
    """Stub model: the first choice is most probable, and every answer is 5."""

    means = Capabilities()

    def complete(self, requests: Sequence[TextRequest]) -> Sequence[Completion]:
        return [Completion((Answer("The answer is 5.", "stop", 5),), 9) for _ in requests]

    def likelihoods(self, requests: Sequence[Continuations]) -> Sequence[tuple[Likelihood, ...]]:
        return [tuple(Likelihood(-1.0 - nth, 1) for nth in range(len(request.texts))) for request in requests]


class StubModels(TinyModels):
    """Loads the stub model by the name of the benchmark's model."""

    def text_model(self, reference: str) -> StubModel:
        assert reference == MODEL
        return StubModel()

    likelihood_model = text_model


def store_answers(folder: Path, chosen: Sequence[EvalCell]) -> None:
    Evaluation(chosen, RunFolder.open(folder, create=True), StubModels()).run()


def test_stored_answers_of_an_evaluation_are_reused(tmp_path: Path) -> None:
    """Answers stored as by `assay eval --out`; the figures are those of the stub model, so no model was called."""
    data, store = tmp_path / "data", tmp_path / "kept"
    for subject, right in (("anatomy", "AAB"), ("history", "CA")):
        rows = [f"Which is {nth}?,a,b,c,d,{letter}\n" for nth, letter in enumerate(right)]
        write(data / "mmlu" / "test" / f"{subject}_test.csv", "".join(rows))
        write(data / "mmlu" / "dev" / f"{subject}_dev.csv", "Which?,a,b,c,d,A\n" * 5)
    sums = [{"question": f"What is {nth}?", "answer": f"So.\n#### {nth}"} for nth in range(4, 8)]
    write(data / "gsm8k-test.jsonl", "\n".join(map(json.dumps, sums)))
    letter, greedy = parse_prompt_setup("letter:5"), parse_strategy("greedy", max_tokens=256, seed=0)
    store_answers(store, cells([MODEL], [parse_task(f"mmlu:{(data / 'mmlu').resolve()}", None)], [letter], []))
    setups = [parse_prompt_setup("zero-shot"), parse_prompt_setup("zero-shot-cot")]
    store_answers(store, cells([MODEL], [parse_task(f"gsm8k:{data / 'gsm8k-test.jsonl'}", None)], setups, [greedy]))
    results = figures(data, "--only", "mmlu", "gsm8k", "--mmlu-items", 0, "--problems", 0, "--keep", store)
    assert results["MMLU, 2 subjects, right, %"]["ours"] == pytest.approx(60)
    assert "chance is 25.0" in str(results["MMLU, 2 subjects, right, %"]["note"])
    assert "+35.0 points from it" in str(results["MMLU, 2 subjects, right, %"]["note"])
    assert results["MMLU, mean over the subjects, %"]["ours"] == pytest.approx(100 * (2 / 3 + 1 / 2) / 2)
    assert results["MMLU, questions"]["ours"] == 5
    assert results["GSM8K, zero-shot, right, %"]["ours"] == pytest.approx(25)
    assert results["GSM8K, zero-shot-cot, right, %"]["ours"] == pytest.approx(25)
    less = results["GSM8K, zero-shot-cot less zero-shot, points"]
    assert less["ours"] == 0
    assert "no significant difference; paired, n = 4" in str(less["note"])


def test_a_subject_without_enough_examples_is_excluded(tmp_path: Path) -> None:
    data, store = tmp_path / "data", tmp_path / "kept"
    for subject, examples in (("anatomy", 5), ("botany", 4), ("chemistry", 0)):
        write(data / "mmlu" / "test" / f"{subject}_test.csv", "Which is it?,a,b,c,d,A\nWhich?,a,b,c,d,B\n")
        if examples:
            write(data / "mmlu" / "dev" / f"{subject}_dev.csv", "Which?,a,b,c,d,A\n" * examples)
    root = str((data / "mmlu").resolve())
    whole = parse_task(f"mmlu:{root}", None)
    task = replace(whole, items=Mmlu(root, subjects=("anatomy",)))
    assert len(task.items.read(Lab(0, StubModels(), StoredImages([])))) == 2
    store_answers(store, cells([MODEL], [task], [parse_prompt_setup("letter:5")], []))
    process = published(data, "--only", "mmlu", "--mmlu-items", 0, "--keep", store)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "MMLU: botany is left out, it has 4 examples in dev/, 5 are needed" in process.stdout
    assert "MMLU: chemistry is left out, it has 0 examples in dev/, 5 are needed" in process.stdout
    assert "MMLU, 1 subjects, right, %" not in process.stdout
    assert "MMLU, 1 subject, right, %" in process.stdout


@pytest.mark.full
def test_lm_evaluation_harness_chooses_the_same_letters_or_is_reported_missing() -> None:
    folder = shared("mmlu")
    process = published(folder, "--only", "harness", "--quick")
    if importlib.util.find_spec("lm_eval") is None:
        assert "lm_eval is not installed (pip install 'assay[harness]')" in process.stdout
        return
    assert "MMLU, lm_eval's seconds / ours, of the processor" in process.stdout
    (letters,) = [line for line in process.stdout.splitlines() if "lm_eval's letter" in line]
    assert "MISSED" not in letters


def test_invalid_options_have_exit_code_two(tmp_path: Path) -> None:
    write(tmp_path / "mine" / "notes.txt", "Mine.\n")
    for options, message in (
        (("--keep", tmp_path / "mine"), "mine"),
        (("--tokens", -1), "expected 0 or more"),
    ):
        process = published(tmp_path, *options)
        assert process.returncode == 2
        assert message in process.stderr
    assert published(tmp_path / "none").returncode == 2
