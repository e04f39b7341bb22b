"""assay ask: one question, asked in several ways."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assay.core.errors import UserError, did_you_mean
from assay.terminal.money import BUDGET_NOW, paid_data, paid_line
from assay.terminal.options import JSON, show, table

if TYPE_CHECKING:
    from assay.core.completions import Message
    from assay.evaluation.asking import Asked, Way
    from assay.text.prompting.methods import FewShotExample

KINDS = click.Choice(["number", "choice", "yes-no", "text"])


@click.command()
@click.argument("question")
@click.option("--model", default="embedded:smollm2", show_default=True, help="Any language model.")
@click.option("--kind", type=KINDS, default="text", show_default=True, help="What sort of answer is wanted.")
@click.option("--choice", "choices", multiple=True, help="One of the answers to choose from; makes the kind 'choice'.")
@click.option("--examples", type=click.Path(path_type=Path), help=".jsonl of question, answer and reasoning.")
@click.option("--shots", type=click.IntRange(0, 64), default=3, show_default=True, help="Examples shown; 0 for none.")
@click.option("--nearest", is_flag=True, help="Show the examples most like the question, not the first ones.")
@click.option("--embedder", help="What --nearest compares by, a sentence encoder; embedded:minilm where left out.")
@click.option("--image", "images", multiple=True, type=click.Path(path_type=Path), help="A PNG or JPEG to ask about.")
@click.option("--way", "names", multiple=True, help="Only this way, such as zero-shot; may be given several times.")
@click.option("--samples", type=click.IntRange(2, 256), default=5, show_default=True, help="Votes of self-consistency.")
@click.option("--max-tokens", type=click.IntRange(8, 8192), default=160, show_default=True, help="For reasoning.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@BUDGET_NOW
@click.option("--prompts", is_flag=True, help="Show what the model was given.")
@JSON
def command(question: str, names: tuple[str, ...], prompts: bool, as_json: bool, **options: Any) -> None:
    """Ask QUESTION zero-shot, few-shot, with chain-of-thought, in two calls, and by a vote of samples."""
    from assay.core.completions import HOPELESS, fatal_error
    from assay.evaluation.asking import EXAMPLES, SEEING, ask, ways_for
    from assay.models.open_models import OpenModels
    from assay.models.remote.budget import Account, Budget
    from assay.models.remote.services import is_remote
    from assay.text.prompting.methods import multiple_choice

    choices, images = tuple(options["choices"]), _images(options["images"])
    kind = "choice" if choices else options["kind"]
    pool = _examples(options["examples"]) if options["examples"] else EXAMPLES.get(kind, ())
    shots = min(options["shots"], len(pool))
    nearest = _nearest(options, shots)
    try:
        asked = multiple_choice(question, choices) if kind == "choice" else question
    except ValueError as error:
        raise UserError(str(error), hint="Give --choice once for each answer.") from error
    limits = (48, options["max_tokens"])
    ways = _named(
        names, ways_for(kind, len(choices), shots, options["samples"], limits, options["seed"], nearest=nearest)
    )
    budget = Budget(options["budget"])
    models = OpenModels(budget=budget)
    embedder = models.embedder(options["embedder"] or "embedded:minilm") if nearest else None
    model = models.text_model(options["model"])
    if images and not model.means.images:
        raise UserError(f"Model {options['model']!r} takes no images.", hint=SEEING)
    found = ask(model, asked, ways, choices=choices, pool=pool, embedder=embedder, images=images)
    if hopeless := next((lack for one in found for lack in one.lacking if lack.lack in HOPELESS), None):
        raise fatal_error(options["model"], hopeless.lack, hopeless.reason)
    if as_json:
        cost = paid_data(budget, Account())
        show({"question": asked, "model": options["model"], "ways": [_data(one) for one in found], "cost": cost})
        return
    for one in found:
        _print(one, prompts)
    table(
        ["way", "answer", "read by", "calls"],
        [[one.way.name, _answer(one), _rule(one), str(one.way.prompting.steps)] for one in found],
    )
    if is_remote(options["model"]):
        click.echo(paid_line(budget, Account()))


def _named(names: tuple[str, ...], ways: list[Way]) -> list[Way]:
    for name in names:
        if name not in {way.name for way in ways}:
            raise UserError(f"There is no way to ask called {name!r}.", hint=did_you_mean(name, [w.name for w in ways]))
    return [way for way in ways if not names or way.name in names]


def _nearest(options: dict[str, Any], shots: int) -> bool:
    nearest: bool = options["nearest"]
    if options["embedder"] and not nearest:
        raise UserError("--embedder says what --nearest compares by, and --nearest is not given.")
    if nearest and not shots:
        raise UserError("--nearest picks among examples, and there are none.", hint="Give --examples FILE.")
    return nearest


def _images(paths: Sequence[Path]) -> tuple[bytes, ...]:
    return tuple(_image(path) for path in paths)


def _image(path: Path) -> bytes:
    from assay.images.codec import decode
    from assay.models.remote.services import media_type

    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"The image {path} cannot be read: {error.strerror}.") from error
    if media_type(data) is None:
        raise UserError(f"The image {path} is neither PNG nor JPEG.")
    try:
        decode(data)
    except ValueError as error:
        raise UserError(f"The image {path} is not whole: {error}") from error
    return data


def _examples(path: Path) -> tuple[FewShotExample, ...]:
    from assay.text.prompting.methods import FewShotExample

    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return tuple(FewShotExample(str(r["question"]), str(r["answer"]), str(r.get("reasoning", ""))) for r in rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as examples: {error!r}.",
            hint='A line is {"question": "...", "answer": "...", "reasoning": "..."}.',
        ) from error


def _data(one: Asked) -> dict[str, Any]:
    return {
        "way": one.way.name,
        "decoding": asdict(one.way.decoding),
        "prompts": [
            prompt if isinstance(prompt, str) else [_turn(message) for message in prompt] for prompt in one.prompts
        ],
        "thinking": list(one.thinking),
        "texts": list(one.texts),
        "read": [None if read is None else asdict(read) for read in one.read],
        "answer": one.answer.value,
        "votes": one.answer.votes,
        "samples": one.answer.n,
        "unparsed": one.answer.unparsed,
        "dollars": one.dollars,
        "lacking": [asdict(lack) for lack in one.lacking],
    }


def _turn(message: Message) -> dict[str, Any]:
    """Images by their SHA-256: their bytes are the user's own and long."""
    return {**asdict(message), "images": [hashlib.sha256(image).hexdigest() for image in message.images]}


def _print(one: Asked, prompts: bool) -> None:
    click.secho(one.way.name, bold=True)
    for prompt in one.prompts if prompts else ():
        turns = (
            [prompt]
            if isinstance(prompt, str)
            else [f"{turn.role}: {'[image] ' * len(turn.images)}{turn.text}" for turn in prompt]
        )
        click.echo("\n".join(f"  > {line}" for turn in turns for line in turn.splitlines()))
    for text in (*one.thinking, *one.texts):
        click.echo("\n".join(f"  {line}" for line in text.strip().splitlines()) + "\n")
    for lack in one.lacking:
        click.echo(f"  no answer: {lack.reason}\n")


def _answer(one: Asked) -> str:
    if one.answer.value is None:
        return "none could be read"
    votes = f" ({one.answer.votes} of {one.answer.n})" if one.answer.n > 1 else ""
    return f"{one.answer.value[:60]}{votes}"


def _rule(one: Asked) -> str:
    return ", ".join(dict.fromkeys(read.rule for read in one.read if read is not None)) or "-"
