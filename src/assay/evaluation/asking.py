"""One question asked in several ways, and the answers read out of what the model wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay.core.completions import Answer, Completion, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError, RecipeError
from assay.core.model_kinds import Embedder, TextModel
from assay.models.remote.budget import placeholder_text
from assay.text.answers.choices import LETTERS, extract_choice
from assay.text.answers.extraction import Extracted, extract_number, extract_span, extract_yes_no
from assay.text.answers.voting import Vote, vote
from assay.text.prompting.methods import (
    SHOWING,
    FewShotExample,
    Method,
    Pick,
    Prompt,
    Prompting,
    examples_for,
    render,
    second_step,
)


@dataclass(frozen=True)
class Way:
    """One way to ask: how the prompt is built, how the model decodes, and how many answers vote."""

    name: str
    prompting: Prompting
    decoding: Decoding
    second: Decoding | None = None
    """Of the call that asks for the answer, where there are two; short and greedy where None."""


SEEING = "One that does: openai:gpt-4o-mini, anthropic:claude-haiku-4-5, gemini:gemini-2.5-flash, http://host/v1#NAME."
"""Of images, where a model takes none."""
EXAMPLES: Mapping[str, tuple[FewShotExample, ...]] = {
    "number": (
        FewShotExample(
            "Mina has 3 boxes with 4 pencils each and gives 5 pencils away. How many pencils has she left?",
            "7",
            "3 boxes with 4 pencils each are 12 pencils. 12 - 5 = 7.",
        ),
        FewShotExample(
            "A train leaves at 2 o'clock and arrives at 6 o'clock. It travels 80 km in each hour. How many km is that?",
            "320",
            "From 2 to 6 o'clock are 4 hours. 4 x 80 = 320.",
        ),
        FewShotExample(
            "There are 20 birds on a roof. 8 fly off, then 3 come back. How many birds are on the roof?",
            "15",
            "20 - 8 = 12 birds stay. 12 + 3 = 15.",
        ),
    ),
    "yes-no": (
        FewShotExample(
            "Is a whale a fish?", "No", "Whales breathe air and feed their young with milk, so they are mammals."
        ),
        FewShotExample("Can an ice cube melt in the sun?", "Yes", "Ice melts above 0 degrees, and the sun warms it."),
        FewShotExample("Is the number 9 even?", "No", "9 divided by 2 leaves 1, so it is odd."),
    ),
    "text": (
        FewShotExample("What is the capital of Italy?", "Rome", "Italy's government sits in Rome."),
        FewShotExample("Which animal gives wool?", "The sheep", "Wool is the hair of sheep."),
        FewShotExample("What does a baker make?", "Bread", "A baker bakes, and what is baked most is bread."),
    ),
}
"""Of our own, for who brings none; none for choices, whose number and words are the user's."""


def ways_for(
    kind: str, choices: int, shots: int, samples: int, limits: tuple[int, int], seed: int, *, nearest: bool = False
) -> list[Way]:
    """Every way there is, for a kind of answer: with examples only where there are some.

    `limits` are the tokens of a short answer and of one with reasoning; `samples` vote in self-consistency; `nearest`
    shows the examples most like the question, not the first ones.
    """
    short, long = limits

    def way(name: str, method: Method, decoding: Decoding) -> Way:
        own = shots if method in SHOWING else 0
        pick: Pick = "nearest" if nearest and own else "first"
        return Way(name, Prompting(method, own, pick, kind=kind, choices=choices), decoding)  # type: ignore[arg-type]

    drawn = Decoding("sample", temperature=0.7, max_tokens=long, answers=samples, seed=seed)
    found = [way("zero-shot", "zero-shot", Decoding(max_tokens=short))]
    if shots:
        found.append(way("few-shot", "few-shot", Decoding(max_tokens=short)))
        found.append(way("chain-of-thought", "chain-of-thought", Decoding(max_tokens=long)))
    found.append(way("zero-shot-cot", "zero-shot-cot", Decoding(max_tokens=long)))
    # Votes of samples that reason: with examples as in the paper, without them by the two calls.
    voting: Method = "chain-of-thought" if shots else "zero-shot-cot"
    return [*found, way("self-consistency", voting, drawn)]


@dataclass(frozen=True)
class Asked:
    """What came of one way."""

    way: Way
    prompts: tuple[Prompt, ...]
    """One a call; of several samples the first one's second call."""
    answers: tuple[Answer, ...]
    """What the model wrote last, one a sample."""
    thinking: tuple[str, ...]
    """What it wrote before, in the first of two calls."""
    read: tuple[Extracted | None, ...]
    """The answer in each text."""
    answer: Vote
    lacking: tuple[NotCompleted, ...] = ()
    """Calls that gave nothing."""
    made: tuple[Completion | NotCompleted, ...] = ()
    """Every call."""

    @property
    def dollars(self) -> float | None:
        """What was paid now; None where a price is not known."""
        paid = [0.0 if isinstance(one, Completion) and one.cached else one.dollars for one in self.made]
        known = [one for one in paid if one is not None]
        return sum(known) if len(known) == len(paid) else None

    @property
    def texts(self) -> tuple[str, ...]:
        """Of `answers`."""
        return tuple(answer.text for answer in self.answers)


@dataclass(frozen=True)
class Quest:
    """One question, to be asked in one way."""

    way: Way
    question: str
    choices: tuple[str, ...] = ()
    pool: tuple[FewShotExample, ...] = ()
    """Answered questions that may be shown before it."""
    images: tuple[bytes, ...] = ()
    """Encoded PNG or JPEG, of the question itself: no example has them, and both of two calls do."""


def ask(
    model: TextModel,
    question: str,
    ways: Sequence[Way],
    *,
    choices: Sequence[str] = (),
    pool: Sequence[FewShotExample] = (),
    embedder: Embedder | None = None,
    images: Sequence[bytes] = (),
) -> list[Asked]:
    """Asks `question`, and what its `images` show, in each of the ways; raises what `ask_each` raises."""
    quests = [Quest(way, question, tuple(choices), tuple(pool), tuple(images)) for way in ways]
    return ask_each(model, quests, embedder)


def ask_each(model: TextModel, quests: Sequence[Quest], embedder: Embedder | None = None) -> list[Asked]:
    """Asks all of them: all first calls together, then all second ones.

    Raises:
        ModelError: The model cannot decode as one of the ways wants, or takes no images and there are some.
        RecipeError: A way shows nearest examples and there is no `embedder`, or too few examples; or it asks in plain
            words, which carry no images, and there are some.
    """
    if any(quest.images for quest in quests) and not model.means.images:
        raise ModelError("This model takes no images.", hint=SEEING)
    prompts = [_prompt(quest, embedder) for quest in quests]
    first = model.complete([_first(one, prompt) for one, prompt in zip(quests, prompts, strict=True)])
    seconds = {
        nth: [second_step(quest.way.prompting, prompts[nth], text) for text in _texts(first[nth])]
        for nth, quest in enumerate(quests)
        if quest.way.prompting.steps == 2
    }
    asked = [_second(quests[nth], prompt) for nth, own in seconds.items() for prompt in own]
    ends = iter(model.complete(asked))
    found = []
    for nth, (quest, prompt, made) in enumerate(zip(quests, prompts, first, strict=True)):
        if nth in seconds:
            last = [next(ends) for _ in seconds[nth]]
            found.append(_asked(quest, (prompt, *seconds[nth][:1]), last, made))
        else:
            found.append(_asked(quest, (prompt,), [made]))
    return found


def first_prompt(quest: Quest) -> Prompt:
    """What the model is given in the first call, where no nearest examples are wanted.

    Raises:
        RecipeError: As `ask_each`.
    """
    return _prompt(quest, None)


def requests_of(quests: Sequence[Quest], embedder: Embedder | None = None) -> list[TextRequest]:
    """What `ask_each` would ask at most: of two calls the second as if the first answer took all its tokens.

    Raises:
        RecipeError: As `ask_each`.
    """
    found = []
    for quest in quests:
        prompt = _prompt(quest, embedder)
        found.append(_first(quest, prompt))
        if quest.way.prompting.steps == 2:
            decoding = quest.way.decoding
            thoughts = [placeholder_text(decoding.max_tokens, nth) for nth in range(decoding.answers)]
            found += [_second(quest, second_step(quest.way.prompting, prompt, text)) for text in thoughts]
    return found


def _first(quest: Quest, prompt: Prompt) -> TextRequest:
    return TextRequest(prompt, _stopping(quest.way, quest.way.decoding))


def _second(quest: Quest, prompt: Prompt) -> TextRequest:
    return TextRequest(prompt, _stopping(quest.way, quest.way.second or Decoding(max_tokens=32)))


def _prompt(quest: Quest, embedder: Embedder | None) -> Prompt:
    prompting = quest.way.prompting
    shown = _examples(prompting, quest.question, quest.pool, embedder)
    return _with(quest.images, render(prompting, quest.question, shown))


def _with(images: Sequence[bytes], prompt: Prompt) -> Prompt:
    """The prompt with images in its last message, which asks the question."""
    if not images:
        return prompt
    if isinstance(prompt, str):
        raise RecipeError("Plain words carry no images.", hint="Ask in turns or in one message.")
    return (*prompt[:-1], replace(prompt[-1], images=tuple(images)))


def _examples(
    prompting: Prompting, question: str, pool: Sequence[FewShotExample], embedder: Embedder | None
) -> tuple[FewShotExample, ...]:
    if not prompting.shots:
        return ()
    near = None
    if prompting.pick == "nearest":
        if embedder is None:
            raise RecipeError("Nearest examples need a sentence encoder.", hint="Such as embedded:minilm.")
        rows = embedder.embed([question, *(example.question for example in pool)])
        near = np.asarray(rows[0], np.float64), np.asarray(rows[1:], np.float64)
    try:
        return examples_for(prompting, question, pool, near)
    except ValueError as error:
        raise RecipeError(str(error)) from error


def _stopping(way: Way, decoding: Decoding) -> Decoding:
    return replace(decoding, stop=(*decoding.stop, *(s for s in way.prompting.stop if s not in decoding.stop)))


def _texts(made: Completion | NotCompleted) -> tuple[str, ...]:
    return tuple(answer.text for answer in made.answers) if isinstance(made, Completion) else ()


def _asked(
    quest: Quest,
    prompts: tuple[Prompt, ...],
    last: Sequence[Completion | NotCompleted],
    first: Completion | NotCompleted | None = None,
) -> Asked:
    """What came of it; `first` is that of the first of two calls."""
    way = quest.way
    # Plain words end with "the answer is"; in a conversation the model begins a sentence of its own.
    continues = way.prompting.steps == 2 and way.prompting.layout == "plain"
    made = (*((first,) if first is not None else ()), *last)
    answers = tuple(answer for one in last if isinstance(one, Completion) for answer in one.answers)
    read = tuple(read_answer(one.text, way.prompting, quest.choices, continues=continues) for one in answers)
    lacking = tuple(one for one in made if isinstance(one, NotCompleted))
    thinking = _texts(first) if first is not None else ()
    return Asked(way, prompts, answers, thinking, read, vote(read), lacking, tuple(made))


def read_answer(
    text: str, prompting: Prompting, choices: Sequence[str] = (), *, continues: bool = False
) -> Extracted | None:
    """The answer in what a model wrote, by the kind that was asked for; None where there is none to be read.

    `continues`: the text goes on from "the answer is".
    """
    if prompting.kind == "number":
        return extract_number(text, continues=continues)
    if prompting.kind == "yes-no":
        return extract_yes_no(text, continues=continues)
    if prompting.kind == "choice":
        return extract_choice(text, LETTERS[: prompting.choices], choices, continues=continues)
    return extract_span(text, continues=continues) or _whole(text)


def _whole(text: str) -> Extracted | None:
    """Of a question whose answer has no form, all that was written."""
    stripped = text.strip()
    start = text.find(stripped)
    return Extracted(stripped, "whole", start, start + len(stripped)) if stripped else None
