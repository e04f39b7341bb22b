"""Published figures, computed again from their data: a line each with the name, published, ours and the difference.

    python benchmarks/published.py --data FOLDER [--only FAMILY...] [--quick] [--json]

Reads whatever of these lies in the folder, and says what is missing:

    alpaca-eval   alpaca-eval/{items,annotations,published}.csv: win rates, standard errors, length-controlled win rates
    llmbar        llmbar-natural-*.jsonl: accuracy of recorded judges, agreement of both orders
    llmfao        llmfao-votes.csv, llmfao-bradley-terry.csv: strengths; Elo's first
    rouge         rouge-vectors.json: ROUGE-1.5.5's figures
    judges        llmbar-natural-*.jsonl: a judge that always says A, and one that prefers the longer answer
    perplexity    wikitext-2-test.txt: the embedded model beside a plain loop of transformers
    gsm8k         gsm8k-test.jsonl: zero-shot against zero-shot chain-of-thought
    mmlu          mmlu/dev/*.csv, mmlu/test/*.csv: right answers, five examples, by letter; seconds
    harness       the same files, where lm_eval is installed: the ratio of times, and the same letters

The last four ask the embedded model and take minutes; --quick asks little. Answers to gsm8k and mmlu are kept in
--keep and not asked again; what `assay eval --task mmlu:/whole/path/of/mmlu --prompt letter:5 --out FOLDER` kept is
read with --mmlu-items 0 --keep FOLDER. Exit code 1 where a figure misses its bound or a file cannot be read, 2 where an
option is wrong.

To add figures: a function that takes the folder and gives `Figure`s or raises `Missing`, and a row in `families`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import published_text
from figures import Family, Figure, Found, Missing, Sizes, as_json, file, head, line
from published_judges import judges
from published_models import gsm8k, harness, mmlu
from published_preferences import alpaca_eval, llmbar, llmfao

from assay.core.errors import SourceError, UserError
from assay.store.run_folder import RunFolder

USUAL = {"tokens": published_text.TOKENS, "problems": 50, "mmlu_items": 4, "harness_subjects": 4}
QUICK = {"tokens": 2048, "problems": 4, "mmlu_items": 1, "harness_subjects": 2}


def rouge(folder: Path) -> Iterator[Found]:
    """ROUGE-1.5.5's printed figures."""
    path = file(folder, "rouge-vectors.json")
    try:
        for name, published, ours, bound in published_text.rouge_figures(path):
            yield Figure(name, published, ours, bound)
    except (ValueError, TypeError, LookupError) as error:
        raise SourceError(f"{path} does not hold google-research/rouge's pairs: {error!r}.") from error


def perplexity(folder: Path, sizes: Sizes) -> Iterator[Found]:
    """The embedded model on WikiText-2 beside a plain loop of transformers."""
    path = file(folder, "wikitext-2-test.txt")
    for name, published, ours, bound in published_text.perplexity_figures(path, sizes.tokens):
        note = f"{published_text.MODEL} in float32; beside it, as published, a plain loop of transformers"
        yield Figure(name, published, ours, bound, note=note)


def families(sizes: Sizes) -> dict[str, Family]:
    """By their names in --only; what takes long comes last."""
    return {
        "alpaca-eval": alpaca_eval,
        "llmbar": llmbar,
        "llmfao": llmfao,
        "rouge": rouge,
        "judges": judges,
        "perplexity": partial(perplexity, sizes=sizes),
        "gsm8k": partial(gsm8k, sizes=sizes),
        "mmlu": partial(mmlu, sizes=sizes),
        "harness": partial(harness, sizes=sizes),
    }


def found(name: str, family: Family, folder: Path) -> Iterator[tuple[Found, bool]]:
    """Figures and sentences as they come, and whether each is wrong."""
    try:
        for one in family(folder):
            yield one, isinstance(one, Figure) and one.missed
    except Missing as gap:
        yield f"{name}: skipped, {gap} is not in {folder}", False
    except UserError as error:
        yield f"{name}: FAILED, {error}", True


def main() -> int:
    options = _options()
    if not options.data.is_dir():
        sys.stderr.write(f"There is no folder {options.data}.\n")
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        keep = options.keep or Path(scratch, "answers")
        try:
            RunFolder.open(keep, create=True)
        except UserError as error:
            sys.stderr.write(f"--keep: {error}\n")
            return 2
        return _printed(options, Sizes(**_sizes(options), keep=keep))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[1].parent / "shared" / "data")
    names = list(families(Sizes(**QUICK, keep=Path())))
    parser.add_argument("--only", nargs="+", choices=names, default=names, metavar="FAMILY", help=", ".join(names))
    parser.add_argument("--quick", action="store_true", help=f"ask little: {_told(QUICK)}")
    parser.add_argument("--tokens", type=_count, help="of WikiText-2; 0 for all")
    parser.add_argument("--problems", type=_count, help="of GSM8K; 0 for all")
    parser.add_argument("--mmlu-items", type=_count, help="questions of each subject; 0 for all, which takes hours")
    parser.add_argument("--keep", type=Path, help="a folder of answers, to be read again and filled")
    parser.add_argument("--json", action="store_true", help="one JSON object a figure; what is said goes to stderr")
    parser.epilog = f"usual sizes: {_told(USUAL)}"
    return parser.parse_args()


def _told(sizes: dict[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:,}" for name, value in sizes.items())


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"expected 0 or more, was {value}")
    return value


def _sizes(options: argparse.Namespace) -> dict[str, int]:
    sizes = QUICK if options.quick else USUAL
    given = {name: getattr(options, name, None) for name in sizes}
    return {name: sizes[name] if given[name] is None else given[name] for name in sizes}


def _printed(options: argparse.Namespace, sizes: Sizes) -> int:
    wrong = 0
    if not options.json:
        print(head(), flush=True)
    for name, family in families(sizes).items():
        for one, bad in found(name, family, options.data) if name in options.only else ():
            if isinstance(one, str):
                print(one, file=sys.stderr if options.json else sys.stdout, flush=True)
            else:
                print(json.dumps(as_json(one)) if options.json else line(one), flush=True)
            wrong += bad
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
