"""How far bfloat16 moves the embeddings of MiniLM: by OpenVINO, beside the same network in float32.

    python benchmarks/embedding_precision.py --data ../shared/data --texts 3000

English instructions and outputs of Alpaca, and Korean sentences made of lists of words. Printed for each: the cosine of
a text's two embeddings, at least and on average; how far the cosines of different texts move, at most and on average;
and how many texts keep their nearest neighbor. The first must be >= 0.999.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

import numpy as np

from assay.models.embedding.sentences import SentenceEncoder, open_openvino_encoder
from assay.models.loading import Device, ModelRequest

MODEL = "embedded:minilm"
NEEDED = 0.999
KOREAN = (
    ("학생이", "의사가", "우리 할머니는", "그 회사는", "작은 고양이가", "서울시는", "연구자들이", "제 친구는"),
    ("어제 도서관에서", "내년 봄에", "비가 오는 날마다", "부산 바닷가에서", "회의가 끝난 뒤에", "아침 일찍"),
    ("새로운 책을 읽었다", "아이들을 도와주었다", "따뜻한 국을 끓였다", "오래된 다리를 고쳤다", "결과를 발표했다"),
    ("", "그리고 사진을 백 장 찍었다", "하지만 아무 말도 하지 않았다", "그래서 세금을 올리기로 결정했다"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of alpaca-9k.jsonl")
    parser.add_argument("--texts", type=int, default=3000, help="of Alpaca: half instructions, half outputs")
    options = parser.parse_args()
    file = options.data / "alpaca-9k.jsonl"
    if not file.is_file():
        print(f"embedding_precision: there is no {file}.", file=sys.stderr)
        sys.exit(2)
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    half = options.texts // 2
    english = [*(row["instruction"] for row in rows[:half]), *(row["output"] for row in rows[-half:])]
    texts = {"Alpaca": english, "Korean": [" ".join(words).strip() for words in itertools.product(*KOREAN)]}
    exact, fast = (
        open_openvino_encoder(ModelRequest(MODEL, Device(device="cpu", dtype=dtype)))
        for dtype in ("float32", "bfloat16")
    )
    print(f"{exact.how} and {fast.how}")
    for name, own in texts.items():
        _compare(name, sorted(set(own)), exact, fast)


def _compare(name: str, texts: list[str], exact: SentenceEncoder, fast: SentenceEncoder) -> None:
    expected, found = (encoder.embed(texts).astype(np.float64) for encoder in (exact, fast))
    cosines = (expected * found).sum(axis=1)
    before, after = (rows @ rows.T - 2 * np.eye(len(rows)) for rows in (expected, found))
    moved = np.abs(after - before)[~np.eye(len(texts), dtype=bool)]
    kept = (before.argmax(axis=1) == after.argmax(axis=1)).mean()
    print(
        f"{name}, {len(texts)} different texts: cosine to float32 at least {cosines.min():.6f} (must be >= {NEEDED}), "
        f"mean {cosines.mean():.6f}; cosines of two texts move by at most {moved.max():.5f}, mean {moved.mean():.5f}; "
        f"nearest neighbor kept {kept:.1%}"
    )


if __name__ == "__main__":
    main()
