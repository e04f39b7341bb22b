"""Does GRPO raise the share of right answers to held-out arithmetic, and what does each part of it take?

    python benchmarks/reason.py

The embedded language model is tuned for a few steps on problems of part "warm-up", of which a share (`--worked`) shows
its steps and the others say the answer alone, so that it does either and half succeeds. Then it is reinforced on
problems of part "train", rewarded 1 for a right number and else 0. Greedy answers to problems of part "held-out" are
counted before and after, and their difference gets an interval (paired bootstrap over problems; one training each).
`--wrong 1` rewards a wrong number everywhere instead. `--start FOLDER` begins with a model that is tuned already.
Seconds are of this process, processor and wall.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

from assay.components.evaluators.answers import Answers
from assay.components.scorers.verifiers.number_equals import NumberEquals
from assay.components.sources.tasks.arithmetic import Arithmetic
from assay.components.trainers.reinforcement.grpo import GRPO
from assay.components.trainers.sft.sft import SFT
from assay.core.decoding import Decoding
from assay.core.lab import Lab
from assay.core.roles import Artifact
from assay.core.sample import Sample
from assay.core.score import Score
from assay.models.open_models import OpenModels
from assay.stats.inference.bootstrap import paired_bootstrap
from assay.store.images import StoredImages
from assay.text.instructions.arithmetic import ArithmeticPart

RIGHT = NumberEquals("answer")


class Trial:
    """One start, one reinforcement, and what both answer."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options, self.folder, self.models, self.began = options, Path(options.folder), OpenModels(), time.time()

    def tell(self, *words: object) -> None:
        wall = time.time() - self.began
        print(f"{wall:6.0f} s wall {time.process_time():6.0f} s processor", *words, flush=True)

    def lab(self, name: str) -> Lab:
        (self.folder / name).mkdir(parents=True, exist_ok=True)
        steps = (lambda step, of: self.tell(name, step, "of", of)) if self.options.verbose else None
        return Lab(self.options.seed, self.models, StoredImages([]), self.folder / name, progress=steps)

    def problems(self, part: ArithmeticPart, count: int, wrong: float = 0.0, worked: float = 1.0) -> Sequence[Sample]:
        return Arithmetic(part, count, self.options.level, wrong=wrong, worked=worked).read(self.lab("none"))

    def start(self) -> str:
        if self.options.start:
            return str(self.options.start)
        own = self.options
        trainer = SFT(steps=own.tuning, batch_size=8, learning_rate=own.tuning_rate, max_length=128, system=own.system)
        tuned = trainer.train(self.problems("warm-up", 300, worked=own.worked), self.lab("sft"))
        self.tell("tuned", dict(tuned.facts))
        return tuned.path

    def reinforced(self, start: str) -> str:
        own = self.options
        trainer = GRPO(
            {"right": RIGHT},
            start,
            steps=own.steps,
            prompts_per_step=own.prompts,
            num_generations=own.answers,
            learning_rate=own.rate,
            loss_type=own.loss,
            scale_rewards=own.scale,
            beta=own.beta,
            system=own.system,
            max_tokens=own.tokens,
            max_length=128,
        )
        done = trainer.train(self.problems("train", 1000, self.options.wrong), self.lab("grpo"))
        self.tell("reinforced", dict(done.facts))
        curves = json.loads((self.folder / "grpo" / "curves.json").read_text(encoding="utf-8"))["values"]
        for name, values in curves.items():
            print(f"{name:>14}", " ".join("-" if one is None else f"{one:.2f}" for one in values))
        return done.path

    def right(self, reference: str, decoding: Decoding) -> list[float]:
        """1 for each held-out problem that is answered rightly, else 0."""
        evaluator = Answers(RIGHT, decoding, system=self.options.system)
        held = self.problems("held-out", self.options.problems)
        outcomes = evaluator.evaluate(Artifact(reference, "text-model", ""), held, self.lab("none"))
        values = [one.value if isinstance(one, Score) else 0.0 for one in outcomes]
        tokens = [one.evidence["tokens"] for one in outcomes if isinstance(one, Score)]
        answers = [one.answer for one in outcomes[:3] if isinstance(one, Score)]
        length = sum(tokens) / len(tokens)
        self.tell(f"{decoding.strategy} {sum(values) / len(values):.3f} right, {length:.1f} tokens, such as {answers}")
        return values


def main() -> None:
    options = parsed()
    trial = Trial(options)
    start = trial.start()
    reinforced = trial.reinforced(start)
    strategies = ("greedy", "sample") if options.sampled else ("greedy",)
    for strategy in strategies:
        decoding = Decoding(strategy, max_tokens=options.tokens)  # type: ignore[arg-type]
        before, after = trial.right(start, decoding), trial.right(reinforced, decoding)
        trial.tell(strategy, paired_bootstrap(after, before, seed=0))


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default="reason-trial")
    parser.add_argument("--start", default="")
    parser.add_argument("--level", type=int, default=4)
    parser.add_argument("--tuning", type=int, default=30)
    parser.add_argument("--tuning-rate", type=float, default=1e-3)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--answers", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=36)
    parser.add_argument("--rate", type=float, default=2e-4)
    parser.add_argument("--loss", default="dapo")
    parser.add_argument("--scale", default="group")
    parser.add_argument("--beta", type=float, default=0.001)
    parser.add_argument("--worked", type=float, default=0.4)
    parser.add_argument("--wrong", type=float, default=0.0)
    parser.add_argument("--system", default="Reckon.")
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sampled", action="store_true", help="also count answers sampled at temperature 1")
    parser.add_argument("--verbose", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
