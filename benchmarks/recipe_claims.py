"""What a shipped recipe claims: verdicts and differences with intervals, and what each model learned on held-out data.

    python benchmarks/recipe_claims.py align instruct labels reason
    python benchmarks/recipe_claims.py --finished FOLDER...

Each recipe runs with `--quick` (`--full`: without it) in a folder of `--out`. A claim holds where its interval lies
above the value that is printed after it. The tests keep that each recipe ends and that its counts add up; whether it
helped is measured here, because the outcome of a short training depends on the processor.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any


def interval(value: Mapping[str, Any]) -> str:
    low, high = value.get("low"), value.get("high")
    bounds = "no interval" if low is None else f"95% CI {low:+.4g} to {high:+.4g}"
    return f"{value['estimate']:+.4g} ({bounds})"


def above(value: Mapping[str, Any], threshold: float) -> str:
    held = value.get("low") is not None and value["low"] > threshold
    return f"{interval(value)}; above {threshold:g}: {'yes' if held else 'not shown'}"


def learned(model: Mapping[str, Any]) -> Iterator[str]:
    """Claims about a model that learned from preferences or rewards."""
    name, pairs, rewards = model["name"], model.get("held_out"), model.get("held_out_rewards")
    if pairs:
        yield f"{name}: accuracy on {pairs['pairs']} held-out pairs {above(pairs['accuracy'], 0.5)}"
        if pairs.get("rise"):
            yield f"{name}: rise of the margin on held-out pairs {above(pairs['rise'], 0)}"
    if rewards:
        yield f"{name}: rise of the reward on {rewards['prompts']} held-out prompts {above(rewards['rise'], 0)}"
    if model.get("hacking"):
        yield f"{name}: reward hacking {'flagged' if model['hacking']['flagged'] else 'not flagged'}"
    for curve in model["curves"]:
        if curve["name"] == "kl" and curve["lines"][0]["points"]:
            yield f"{name}: divergence from its start after the last step {curve['lines'][0]['points'][-1][1]:.4g}"


def claims(results: Mapping[str, Any]) -> Iterator[str]:
    flow = results["funnel"]
    yield f"verdict: {results['verdict']}; {flow['kept']} of {flow['requested']} samples kept"
    for effect in results["comparisons"]:
        names = f"{effect['ours']} against {effect['theirs']}"
        n = effect["difference"].get("n")
        yield f"{names}: {effect['verdict']}, {above(effect['difference'], 0)}, n = {n}"
    for arm in results["arms"]:
        if arm["result"].get("low") is not None:
            yield f"arm {arm['name']}: {interval(arm['result'])}"
    for model in results.get("learning") or []:
        yield from learned(model)


def finished(recipe: str, options: argparse.Namespace) -> Path:
    folder = Path(options.out) / recipe
    words = ["run", recipe, *([] if options.full else ["--quick"]), "--out", str(folder), "--json"]
    subprocess.run([sys.executable, "-m", "assay.cli.main", *words], check=True, stdout=subprocess.DEVNULL)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", help="names of shipped recipes")
    parser.add_argument("--finished", nargs="*", default=[], type=Path, help="folders of runs that have ended")
    parser.add_argument("--out", default="recipe-claims")
    parser.add_argument("--full", action="store_true", help="without --quick: longer trainings")
    options = parser.parse_args()
    for folder in [*options.finished, *(finished(recipe, options) for recipe in options.recipes)]:
        print(folder)
        for claim in claims(json.loads((folder / "results.json").read_text(encoding="utf-8"))):
            print("  " + claim)


if __name__ == "__main__":
    main()
