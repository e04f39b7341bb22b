"""Small files of questions in every format that a source reads."""

from __future__ import annotations

import json
from pathlib import Path

MMLU = {
    "mmlu/dev/anatomy_dev.csv": (
        "question,choice0,choice1,choice2,choice3,answer\nWhich is a bone?,skin,femur,liver,eye,1\n"
    ),
    "mmlu/test/anatomy_test.csv": (
        "question,choice0,choice1,choice2,choice3,answer\r\n"
        '"Which, of these,\r\nis a ""muscle""?",biceps,femur,liver,eye,0\r\n'
        "\r\n"
        "Which beats?,hair,nail,heart,tooth,2\r\n"
    ),
    "mmlu/dev/world_religions_dev.csv": "Whose is Diwali?,Hindus,Jains,Sikhs,all of them,D\n",  # as published
    "mmlu/test/world_religions_test.csv": "\ufeffWhere is Mecca?,Iran,Iraq,Egypt,Saudi Arabia,D\n",
}
GSM8K = (
    {"question": "Two and three?", "answer": "Two and three are 2+3=<<2+3=5>>5.\n#### 5"},
    {"question": "A thousand\nmore?", "answer": "#### 1,001"},
    {"question": "What is owed?", "answer": "It fell to -2.\n#### -2"},
)
TRUTHFULQA = (
    {
        "question": "What happens?",
        "mc1_targets": {"Nothing": 1, "All": 0, "Some": 0},
        "mc2_targets": {"Nothing": 1, "Not a thing": 1, "All": 0},
    },
    {"question": "Who said so?", "mc1_targets": {"I": 0, "Nobody": 1}, "mc2_targets": {"I": 0, "Nobody": 1}},
)
CSV = (
    "question,A,B,C,answer,subject,reasoning\n"
    "Red?,yes,no,,B,colours,\n"
    'Round?,"in, part",no,yes,"A,C",shapes,It rolls.\n'
    "Blue?,yes,no,maybe,maybe,,\n"
)
JSONL = (
    {"question": "How many?", "answer": 2, "choices": [7, 8.50, "9"]},
    {"question": "Why?", "answer": "Because.", "choices": None, "subject": "가"},
)


def question_files(folder: Path) -> None:
    for name, content in MMLU.items():
        write(folder / name, content)
    write(folder / "gsm8k.jsonl", "\n".join(map(json.dumps, GSM8K)))
    write(folder / "truthfulqa.json", json.dumps(TRUTHFULQA))
    write(folder / "texts.txt", "\ufeffName a fruit.\r\n\n과일을 하나 말하세요.\n")
    write(folder / "own.csv", CSV)
    write(folder / "own.jsonl", "\n\n".join(json.dumps(row, ensure_ascii=False) for row in JSONL) + "\n")


def write(file: Path, content: str) -> Path:
    """Exactly these bytes, on every system."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content.encode())
    return file
