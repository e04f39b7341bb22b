"""Fenced blocks of an answer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from assay.text.answers.code_blocks import Block, blocks


def test_blocks_are_found_with_their_language() -> None:
    text = "Here:\n```python\nx = 1\n```\nand\n~~~\n{}\n~~~\n````md\n```js\ny\n```\n````\n```JSON title\n[]\n```"
    assert blocks(text) == [
        Block("python", "x = 1\n"),
        Block("", "{}\n"),
        Block("md", "```js\ny\n```\n"),
        Block("json", "[]\n"),
    ]


def test_an_open_block_runs_to_the_end_and_inline_code_is_none() -> None:
    assert blocks("```py\nx = 1\ny") == [Block("py", "x = 1\ny")]
    assert blocks("```") == [Block("", "")]
    assert blocks("use ```x``` or `y`") == []
    assert blocks("```x``` is code") == []


@given(text=st.text(alphabet="`~a\n {}", max_size=200))
def test_every_block_is_a_part_of_the_text(text: str) -> None:
    assert all(block.text in text for block in blocks(text))


def test_many_fences_take_no_long_time() -> None:
    assert len(blocks("```\n" * 100_000)) == 50_000
    assert blocks("`" * 1_000_000) == [Block("", "")]
