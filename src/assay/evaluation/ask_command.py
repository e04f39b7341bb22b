"""assay ask: compare prompting methods on one question."""

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
    from assay.evaluation.asking import MethodResult, PromptingMethod
    from assay.text.prompting.methods import FewShotExample, Kind

KINDS = click.Choice(["number", "choice", "yes-no", "text"])


@click.command()
@click.argument("question")
@click.option("--model", default="embedded:smollm2", show_default=True, help="Language model to ask.")
@click.option("--kind", type=KINDS, default="text", show_default=True, help="Type of the expected answer.")
@click.option(
    "--choice", "choices", multiple=True, help="Answer choice; repeat for each choice. Implies --kind choice."
)
@click.option(
    "--examples", type=click.Path(path_type=Path), help="JSONL file of few-shot examples: question, answer, reasoning."
)
@click.option("--shots", type=click.IntRange(0, 64), default=3, show_default=True, help="Number of few-shot examples.")
@click.option("--nearest", is_flag=True, help="Select the few-shot examples nearest to the question by embedding.")
@click.option("--embedder", help="Sentence encoder for --nearest.  [default: embedded:minilm]")
@click.option(
    "--image",
    "images",
    multiple=True,
    type=click.Path(path_type=Path),
    help="PNG or JPEG image to include in the question.",
)
@click.option(
    "--method", "names", multiple=True, help="Prompting method, such as zero-shot; repeat for several.  [default: all]"
)
@click.option(
    "--samples",
    type=click.IntRange(2, 256),
    default=5,
    show_default=True,
    help="Number of samples of self-consistency.",
)
@click.option(
    "--max-tokens",
    type=click.IntRange(8, 8192),
    default=160,
    show_default=True,
    help="Maximum tokens of an answer with reasoning.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Sampling seed.")
@BUDGET_NOW
@click.option("--prompts", is_flag=True, help="Print the rendered prompts.")
@JSON
def command(question: str, names: tuple[str, ...], prompts: bool, as_json: bool, **options: Any) -> None:
    """Ask QUESTION with several prompting methods.

    The methods are zero-shot, few-shot, chain-of-thought and self-consistency.
    """
    from assay.core.completions import FATAL, fatal_error
    from assay.evaluation.asking import EXAMPLES, IMAGE_MODELS, PromptedQuestion, ask_each, prompting_methods
    from assay.models.open_models import OpenModels
    from assay.models.remote.budget import Account, Budget
    from assay.models.remote.services import is_remote
    from assay.text.prompting.methods import Prompting, multiple_choice

    choices, images = tuple(options["choices"]), _images(options["images"])
    kind: Kind = "choice" if choices else options["kind"]
    pool = _examples(options["examples"]) if options["examples"] else EXAMPLES.get(kind, ())
    shots = min(options["shots"], len(pool))
    nearest = _nearest(options, shots)
    try:
        full_question = multiple_choice(question, choices) if kind == "choice" else question
    except ValueError as error:
        raise UserError(str(error), hint="Repeat --choice for each answer choice.") from error
    prompting = Prompting(
        "few-shot" if shots else "zero-shot", shots, "nearest" if nearest else "first", kind, len(choices)
    )
    limits = (48, options["max_tokens"])
    methods = _select_methods(names, prompting_methods(prompting, options["samples"], limits, options["seed"]))
    budget = Budget(options["budget"])
    models = OpenModels(budget=budget)
    embedder = models.embedder(options["embedder"] or "embedded:minilm") if nearest else None
    model = models.text_model(options["model"])
    if images and not model.means.images:
        raise UserError(f"Model {options['model']!r} does not accept images.", hint=IMAGE_MODELS)
    questions = [PromptedQuestion(method, full_question, choices, pool, images) for method in methods]
    results = ask_each(model, questions, embedder)
    if fatal := next((failure for result in results for failure in result.failures if failure.lack in FATAL), None):
        raise fatal_error(options["model"], fatal.lack, fatal.reason)
    if as_json:
        cost = paid_data(budget, Account())
        data = [_data(result) for result in results]
        show({"question": full_question, "model": options["model"], "methods": data, "cost": cost})
        return
    for result in results:
        _print(result, prompts)
    rows = [
        [result.method.name, _answer(result), _rule(result), str(result.method.prompting.steps)] for result in results
    ]
    table(["method", "answer", "extraction rule", "calls"], rows)
    if is_remote(options["model"]):
        click.echo(paid_line(budget, Account()))


def _select_methods(names: tuple[str, ...], methods: list[PromptingMethod]) -> list[PromptingMethod]:
    available = [method.name for method in methods]
    for name in names:
        if name not in available:
            raise UserError(f"Unknown prompting method {name!r}.", hint=did_you_mean(name, available))
    return [method for method in methods if not names or method.name in names]


def _nearest(options: dict[str, Any], shots: int) -> bool:
    nearest: bool = options["nearest"]
    if options["embedder"] and not nearest:
        raise UserError("--embedder has no effect without --nearest.")
    if nearest and not shots:
        raise UserError("--nearest needs few-shot examples.", hint="Give --examples FILE.")
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
        raise UserError(f"The image {path} is not a PNG or JPEG file.")
    try:
        decode(data)
    except ValueError as error:
        raise UserError(f"The image {path} cannot be decoded: {error}") from error
    return data


def _examples(path: Path) -> tuple[FewShotExample, ...]:
    from assay.text.prompting.methods import FewShotExample

    try:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        return tuple(FewShotExample(str(r["question"]), str(r["answer"]), str(r.get("reasoning", ""))) for r in rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path} cannot be read as examples: {error!r}.",
            hint='Expected one JSON object per line: {"question": "...", "answer": "...", "reasoning": "..."}.',
        ) from error


def _data(result: MethodResult) -> dict[str, Any]:
    return {
        "method": result.method.name,
        "decoding": asdict(result.method.decoding),
        "prompts": [
            prompt if isinstance(prompt, str) else [_turn(message) for message in prompt] for prompt in result.prompts
        ],
        "thinking": list(result.thinking),
        "texts": list(result.texts),
        "extracted": [None if answer is None else asdict(answer) for answer in result.extracted],
        "answer": result.answer.value,
        "votes": result.answer.votes,
        "samples": result.answer.n,
        "unparsed": result.answer.unparsed,
        "dollars": result.dollars,
        "failures": [asdict(failure) for failure in result.failures],
    }


def _turn(message: Message) -> dict[str, Any]:
    """A message as JSON, with the SHA-256 of each image instead of its bytes."""
    return {**asdict(message), "images": [hashlib.sha256(image).hexdigest() for image in message.images]}


def _print(result: MethodResult, prompts: bool) -> None:
    click.secho(result.method.name, bold=True)
    for prompt in result.prompts if prompts else ():
        turns = (
            [prompt]
            if isinstance(prompt, str)
            else [f"{turn.role}: {'[image] ' * len(turn.images)}{turn.text}" for turn in prompt]
        )
        click.echo("\n".join(f"  > {line}" for turn in turns for line in turn.splitlines()))
    for text in (*result.thinking, *result.texts):
        click.echo("\n".join(f"  {line}" for line in text.strip().splitlines()) + "\n")
    for failure in result.failures:
        click.echo(f"  no answer: {failure.reason}\n")


def _answer(result: MethodResult) -> str:
    if result.answer.value is None:
        return "not parsed"
    votes = f" ({result.answer.votes} of {result.answer.n})" if result.answer.n > 1 else ""
    return f"{result.answer.value[:60]}{votes}"


def _rule(result: MethodResult) -> str:
    return ", ".join(dict.fromkeys(answer.rule for answer in result.extracted if answer is not None)) or "-"
