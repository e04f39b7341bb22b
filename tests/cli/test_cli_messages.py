"""How messages read: an error with its hint, a cost estimate, two summaries. Other tests assert codes and numbers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from command_line import called, environment
from fault_server import FaultServer


def text_lines(printed: str) -> list[str]:
    return [line.rstrip() for line in printed.splitlines()]


def test_a_user_error_is_a_message_and_a_hint(tmp_path: Path) -> None:
    words = ["run", "fashion", "--set", "generate.step=2", "--out", tmp_path / "run"]
    result = called(words)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        "assay: generate: GenerateImages takes no argument 'step'.\n"
        "  Did you mean 'steps'? Known: guidance, height, labels, model, negative_prompt, per_label, slots, steps, "
        "templates, width, words.\n"
    )
    as_json = called([*words, "--json"])
    assert as_json.stderr == result.stderr
    message = result.stderr[len("assay: ") : -1]
    assert json.loads(as_json.stdout) == {"error": message, "code": "recipe", "exit_code": 2}
    assert not (tmp_path / "run").exists()


def test_a_budget_that_is_too_small_is_reported_after_the_estimate(tmp_path: Path) -> None:
    pytest.importorskip("any_llm")
    row = {"instruction": "Name a fruit.", "output_a": "A pear.", "output_b": "A chair."}
    (tmp_path / "pairs.jsonl").write_text(json.dumps(row), encoding="utf-8")
    words = ["judge", "pairs", tmp_path / "pairs.jsonl", "--judge", "openai:gpt-4o-mini", "--out", tmp_path / "run"]
    with FaultServer() as server:
        service = {"OPENAI_API_KEY": "sk-planted", "OPENAI_BASE_URL": f"{server.base}/v1"}
        result = called([*words, "--budget", "1e-6"], XDG_CACHE_HOME=str(tmp_path), **service)
    assert text_lines(result.stderr) == [
        "openai:gpt-4o-mini: 2 requests, about 390 prompt tokens, at most 128 answer tokens: at most about $0.00014.",
        "Approximate: a token counts as 4 bytes of text, an image as 1,000 tokens, and every answer as max_tokens "
        "tokens.",
        "The budget may be insufficient: requests stop when it is spent, and all answers are kept.",
        "assay: Model 'openai:gpt-4o-mini': The budget of 1e-06 dollars is too small. It was 0 so far, and the next "
        "request may cost 0.00016.",
        "  All answers are kept. Run it again with a larger budget to resume.",
    ]


def test_a_leaderboard_of_one_vote(tmp_path: Path) -> None:
    (tmp_path / "votes.csv").write_text("model_a,model_b,winner\n가,나,tie\n", encoding="utf-8")
    assert text_lines(called(["arena", "rank", tmp_path / "votes.csv", "--bootstrap", 20]).stdout) == [
        "1 vote on 2 models by Bradley-Terry; a tie counts as half a win.",
        "A difference of 400 corresponds to odds of 10:1; the mean rating is 1,000.",
        "Intervals at 95% by 20 bootstrap resamples, seed 0.",
        "",
        "rank  model  rating  95% CI  votes  win rate",
        " 1-2  가      1,000  none        1     50.0%",
        " 1-2  나      1,000  none        1     50.0%",
        "",
        "Fewer than 10 votes on '가', '나': their intervals are unreliable.",
        "A rank such as 1-2 is the range compatible with the intervals.",
    ]


def test_a_novelty_summary_with_cautions(tmp_path: Path) -> None:
    texts = ("Write a poem about the sea.", "Write a short poem about the sea.", "영어로 번역하세요", "go")
    (tmp_path / "texts.txt").write_text("\n".join(texts), encoding="utf-8")
    assert text_lines(called(["novelty", tmp_path / "texts.txt"]).stdout) == [
        "Kept 3 of 4 texts (75.0%); dropped 0 exact and 1 near duplicates.",
        "Rule: a text is kept if its ROUGE-L F1 with all texts kept before is at most 0.7; tokens: words of any "
        "script.",
        "Fewer than 3 words: 1 text (25.0%). A single word decides their similarity; a text without words has no "
        "near-duplicates.",
        "Caution: 1 text (25.0%) in Korean, Chinese or another script compared by character. F1 is higher there: texts "
        "that differ in one word may exceed 0.9. Check the dropped texts, or filter such texts separately with a "
        "higher threshold.",
        "",
        "Most repeated:",
        "dropped  kept text                                F1  first near-duplicate",
        "      1  line 1: Write a poem about the sea.  0.9231  line 2: Write a short poem about the sea.",
    ]


def test_an_interrupted_run_tells_how_to_resume(small: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-m", "assay.cli.main", "run", "fashion", *small, "--out", str(tmp_path / "run")]
    with subprocess.Popen(
        command,
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job has the signal ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        deadline = time.monotonic() + 300
        while not list(tmp_path.glob("run/holdout-*/receipt.json")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    assert err.endswith("assay: Interrupted. Finished work is kept; run the same command again to resume.\n")
    assert "Traceback" not in err
