"""SVG drawing of beam search: one column per step, the most probable branch on top, with lines to the parents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from markupsafe import Markup

from assay.text.decoding.generation import Branch, Trace

Kind: TypeAlias = Literal["won", "ended", "went-on", "abandoned", "dropped"]
"""On the path of the best answer; end of another answer; extended beam; beam without kept extension; not kept."""
WIDTH, HEIGHT, GAP, STEP, HEAD = 104, 36, 10, 148, 26
"""Pixels: width and height of a node, gap between nodes, distance of columns, and height of the header."""
LETTERS = 11
"""Maximum number of characters of a token."""
DROPPED = 12
"""Maximum number of rows with branches that were not kept."""


@dataclass(frozen=True)
class Node:
    """One branch on the drawing."""

    branch: Branch
    kind: Kind
    column: int
    row: int

    @property
    def x(self) -> int:
        """Left edge; the prompt is in column 0."""
        return STEP * (self.column + 1)

    @property
    def y(self) -> int:
        """Middle."""
        return _middle(self.row)


def _middle(row: int) -> int:
    return HEAD + (HEIGHT + GAP) * row + HEIGHT // 2


def nodes(trace: Trace) -> list[list[Node]]:
    """All branches of all steps with their kinds."""
    won = set(enumerate(trace.answers[0].path)) if trace.answers else set()
    parents = {
        (column - 1, branch.parent)
        for column, branches in enumerate(trace.rounds)
        for branch in branches
        if branch.fate != "dropped"
    }
    return [
        [
            Node(branch, _kind(branch, on_the_way=(column, row) in won, parent=(column, row) in parents), column, row)
            for row, branch in enumerate(branches)
        ]
        for column, branches in enumerate(trace.rounds)
    ]


def _kind(branch: Branch, *, on_the_way: bool, parent: bool) -> Kind:
    if on_the_way:
        return "won"
    if branch.fate == "finished":
        return "ended"
    if branch.fate == "dropped":
        return "dropped"
    return "went-on" if parent else "abandoned"


def lattice(trace: Trace, spell: Callable[[int], str], deepest: int) -> Markup:
    """Draw the first `deepest` steps; `spell` gives the text of a token with visible whitespace."""
    columns = [
        [node for node in column if node.kind != "dropped" or node.row < DROPPED] for column in nodes(trace)[:deepest]
    ]
    # Two pixels at each side for the strokes, half of which is outside of a box.
    width = STEP * (len(columns) + 1) - (STEP - WIDTH) + 4
    height = HEAD + (HEIGHT + GAP) * max((node.row + 1 for column in columns for node in column), default=1)
    heads = [
        Markup('<text class="head" x="{}" y="14" text-anchor="middle">token {}</text>').format(
            STEP * nth + WIDTH // 2, nth
        )
        for nth in range(1, len(columns) + 1)
    ]
    # The best path is drawn last, on top.
    ordered = sorted((node for column in columns for node in column), key=lambda node: node.kind == "won")
    lines = [_line(node) for node in ordered]
    boxes = [_box(node, spell(node.branch.token)) for node in ordered]
    return Markup(
        '<svg class="lattice" style="width:{0}px;height:{1}px" viewBox="-2 0 {0} {1}" role="img" '
        'aria-label="Beam search, {2} tokens deep; the table above has the answers">{3}{4}</svg>'
    ).format(width, height, len(columns), Markup("").join([*heads, *lines]), Markup("").join([_prompt(), *boxes]))


def _prompt() -> Markup:
    middle = _middle(0)
    return Markup(
        '<rect class="box prompt-box" x="0" y="{}" width="{}" height="{}" rx="7"/>'
        '<text class="token" x="{}" y="{}" text-anchor="middle">prompt</text>'
    ).format(middle - HEIGHT // 2, WIDTH, HEIGHT, WIDTH // 2, middle + 4)


def _line(node: Node) -> Markup:
    start, above = node.x - STEP + WIDTH, _middle(max(0, node.branch.parent))
    bend = (start + node.x) // 2
    return Markup('<path class="way {}" d="M{} {}C{} {} {} {} {} {}"/>').format(
        node.kind, start, above, bend, above, bend, node.y, node.x, node.y
    )


def _box(node: Node, token: str) -> Markup:
    short = token if len(token) <= LETTERS else f"{token[: LETTERS - 1]}…"
    branch = node.branch
    value = f"{branch.log_prob:.2f}" if branch.rank is None else f"{branch.log_prob:.2f} ⇒ {branch.rank:.2f}"
    return Markup(
        '<g class="node {0}"><title>{1}</title><rect class="box" x="{2}" y="{3}" width="{4}" height="{5}" rx="7"/>'
        '<text class="token" x="{6}" y="{7}">{8}</text><text class="value" x="{6}" y="{9}">{10}</text>'
        '<text class="mark" x="{11}" y="{7}" text-anchor="end">{12}</text></g>'
    ).format(
        node.kind,
        f"{token}: {MEANING[node.kind]}; log-probability {branch.log_prob:.2f}",
        node.x,
        node.y - HEIGHT // 2,
        WIDTH,
        HEIGHT,
        node.x + 8,
        node.y - 3,
        short,
        node.y + 12,
        value.replace("-", "\u2212"),
        node.x + WIDTH - 7,
        MARK[node.kind, branch.fate == "finished"],
    )


MEANING: dict[Kind, str] = {
    "won": "on the path of the best answer",
    "ended": "end of an answer",
    "went-on": "an extended beam",
    "abandoned": "a beam without kept extension",
    "dropped": "not kept",
}
"""Meaning of each kind, for the legend and tooltips."""
MARK: dict[tuple[Kind, bool], str] = {
    ("won", False): "★",
    ("won", True): "★ end",
    ("ended", True): "end",
    ("went-on", False): "",
    ("abandoned", False): "✕",
    ("dropped", False): "",
}
"""Mark of each kind, by whether the answer ends there; color is never the only sign."""
