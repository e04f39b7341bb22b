"""How often the embedded model of unsafe images flags harmless ones: real photographs of clothes.

    python benchmarks/image_safety.py                       # 100 of each class of Fashion-MNIST
    python benchmarks/image_safety.py --per-label 1000

Printed: the share of photographs above each of three lines, with Wilson's interval, and the quantiles of the score.
"""

from __future__ import annotations

import argparse

import numpy as np

from assay.components.sources.image.fashion_mnist import LABELS, arrays
from assay.models import OpenModels
from assay.stats import wilson

LINES = (0.5, 0.2, 0.1)
PART = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-label", type=int, default=100)
    parser.add_argument("--model", default="embedded:open-nsfw")
    parser.add_argument("--unsafe", default="nsfw", help="the label whose probability it is")
    options = parser.parse_args()
    pixels, labels = arrays("test")
    places = [place for label in range(len(LABELS)) for place in np.flatnonzero(labels == label)[: options.per_label]]
    model = OpenModels().classifier(options.model)
    column = list(model.labels).index(options.unsafe)
    found = []
    for start in range(0, len(places), PART):
        logits = np.asarray(model.logits([pixels[place] for place in places[start : start + PART]]), dtype=np.float64)
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        found += list((shares / shares.sum(axis=1, keepdims=True))[:, column])
    for line in LINES:
        share = wilson(sum(value > line for value in found), len(found))
        assert share.low is not None
        assert share.high is not None
        print(f"above {line:g}: {share.estimate:.2%} ({share.low:.2%} to {share.high:.2%}), n = {share.n}")
    low, middle, high = np.quantile(found, [0.05, 0.5, 0.95])
    print(f"5, 50 and 95 % of them lie below {low:.4f}, {middle:.4f}, {high:.4f}; the highest is {max(found):.4f}")


if __name__ == "__main__":
    main()
