"""Text metrics beside what others published: ROUGE-1.5.5's own figures, and perplexity by a plain loop.

    python benchmarks/published_text.py --data ../shared/data --tokens 8192

Each line: name, published, ours, the difference, the greatest difference allowed. The other perplexity is made here, by
a loop of transformers' own `loss` over the same windows: Hugging Face's "Perplexity of fixed-length models", with the
text joined as there. Only its weights differ: each window's mean counts for the tokens it is a mean of, where the page
counts one too few in each window but the first. All of WikiText-2 takes an hour and more on two cores: `--tokens 0`.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MODEL = "transformers:embedded:smollm2"
WINDOW, STRIDE = 1024, 512
TOKENS = 8192
RELATIVE = 1e-4
ROUGE = (
    ("rouge1", False, 0, (0.68750, 0.40741, 0.51163)),
    ("rouge1", False, 1, (0.65385, 0.40476, 0.50000)),
    ("rouge1", True, 0, (0.68750, 0.40741, 0.51163)),
    ("rouge1", True, 1, (0.69231, 0.42857, 0.52941)),
    ("rouge2", False, 0, (0.53333, 0.30769, 0.39024)),
    ("rouge2", False, 1, (0.48000, 0.29268, 0.36364)),
    ("rouge2", True, 0, (0.53333, 0.30769, 0.39024)),
    ("rouge2", True, 1, (0.48000, 0.29268, 0.36364)),
    ("rougeL", False, 0, (0.68750, 0.40741, 0.51163)),
    ("rougeL", False, 1, (0.65385, 0.40476, 0.50000)),
    ("rougeLsum", True, None, (0.66667, 0.36538, 0.47205)),
)
"""Kind, whether stemmed, which pair of texts, and precision, recall and F as ROUGE-1.5.5 prints them: from
google-research/rouge, rouge_scorer_test.py."""
Figure = tuple[str, float, float, float]


def figures(data: Path, tokens: int = TOKENS) -> Iterator[Figure]:
    """Name, published, ours, and the greatest difference allowed; nothing where a file is missing."""
    for name, made in (("rouge-vectors.json", rouge_figures), ("wikitext-2-test.txt", None)):
        path = data / name
        if not path.is_file():
            print(f"published_text: there is no {path}: left out.", file=sys.stderr)
        elif made is not None:
            yield from made(path)
        else:
            yield from perplexity_figures(path, tokens)


def rouge_figures(path: Path) -> Iterator[Figure]:
    """ROUGE-1.5.5 on the pairs that google-research/rouge tests itself with."""
    from assay.text.similarity.rouge import rouge, stemmed
    from assay.text.similarity.tokens import tokens

    held = json.loads(path.read_text(encoding="utf-8"))
    for kind, stemmer, nth, printed in ROUGE:
        names = ("prediction_multi.0", "target_multi.0") if nth is None else ("prediction.txt", "target.txt")
        text, target = (held[name] if nth is None else held[name][nth] for name in names)
        score = rouge(text, [target], [kind], stemmed(tokens) if stemmer else tokens)[kind]
        which = f"ROUGE-1.5.5 {kind}{' -m' if stemmer else ''}, {'summary' if nth is None else f'pair {nth}'}"
        for part, published, ours in zip(("precision", "recall", "F"), printed, vars(score).values(), strict=True):
            yield f"{which}, {part}", published, ours, 1e-4


def wikitext(path: Path) -> str:
    """The text that the page measures: rows joined by two line ends, rows of spaces alone being empty."""
    from assay.components.sources.files.records import read_text

    rows = read_text(path, "the text of WikiText-2").splitlines(keepends=True)
    return "\n\n".join(row if row.strip() else "" for row in rows)


def perplexity_figures(path: Path, tokens: int) -> Iterator[Figure]:
    """By token, of MODEL in float32 on WikiText-2's test split, beside a loop of transformers alone."""
    from assay.core.errors import SourceError
    from assay.models.loading import Device
    from assay.models.registry import open_model
    from assay.models.text.log_probs import windowed_log_probs
    from assay.text.decoding.perplexity import text_perplexity

    model = open_model("text-model", MODEL, Device(device="cpu", dtype="float32"))
    text = wikitext(path)
    ids = model.tokens_of(text)
    if len(ids) < 2:
        raise SourceError(f"{path} holds fewer than two tokens: there is nothing to predict.")
    if tokens and tokens < len(ids):
        text = model.tokenizer.decode(ids[:tokens])
        ids = model.tokens_of(text)
    (read,) = windowed_log_probs(model, [text], window=WINDOW, stride=STRIDE)
    ours = text_perplexity(text, read.values)
    published = plain_loop(model.model, ids)
    of = f"WikiText-2 test, {len(ids):,} tokens, window {WINDOW}, stride {STRIDE}"
    yield f"perplexity, {of}", published, ours.per_token, published * RELATIVE


def plain_loop(network: Any, ids: list[int]) -> float:
    """Perplexity by the loss that transformers gives for labels."""
    import torch

    total, count, done = 0.0, 0, 0
    for begin in range(0, len(ids), STRIDE):
        end = min(begin + WINDOW, len(ids))
        row = torch.tensor([ids[begin:end]])
        labels = row.clone()
        labels[:, : -(end - done)] = -100
        with torch.inference_mode():
            loss = network(input_ids=row, labels=labels).loss
        scored = int((labels[:, 1:] != -100).sum())
        total, count, done = total + float(loss) * scored, count + scored, end
        if end == len(ids):
            break
    return math.exp(total / count)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of rouge-vectors.json and wikitext-2-test.txt")
    parser.add_argument("--tokens", type=int, default=TOKENS, help="of WikiText-2; 0 for all (default %(default)s)")
    options = parser.parse_args()
    wrong = 0
    for name, published, ours, bound in figures(options.data, options.tokens):
        difference = abs(ours - published)
        wrong += difference > bound
        verdict = "" if difference <= bound else "  TOO FAR"
        print(f"{name}: {published:.6f} {ours:.6f} {difference:.1e} <= {bound:.1e}{verdict}", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
