"""Ask one question with several prompting methods, and extract the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from assay.core.completions import Answer, Completion, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError, RecipeError
from assay.core.model_kinds import Embedder, TextModel
from assay.models.remote.budget import placeholder_text
from assay.store.answers import calls_cost
from assay.text.answers.aggregation import Vote, vote
from assay.text.answers.choices import LETTERS, extract_choice
from assay.text.answers.extraction import Extracted, extract_number, extract_span, extract_yes_no
from assay.text.prompting.methods import (
    FEW_SHOT_METHODS,
    FewShotExample,
    Method,
    Prompt,
    Prompting,
    render,
    second_prompt,
    select_examples,
)


@dataclass(frozen=True)
class PromptingMethod:
    """A prompting method: prompt format, decoding, and number of samples for self-consistency."""

    name: str
    prompting: Prompting
    decoding: Decoding
    second: Decoding | None = None
    """Decoding of the second call that asks for the answer; short and greedy if None."""


IMAGE_MODELS = (
    "One that does: openai:gpt-4o-mini, anthropic:claude-haiku-4-5, gemini:gemini-2.5-flash, http://host/v1#NAME."
)
"""Hint for a model without image input."""
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
"""Default few-shot examples by answer kind; multiple choice has none, since its choices are the user's."""


def prompting_methods(prompting: Prompting, samples: int, limits: tuple[int, int], seed: int) -> list[PromptingMethod]:
    """All prompting methods for an answer kind; few-shot methods only if there are examples.

    Args:
        prompting: Settings of the few-shot methods, or of a method without examples if there are none.
        samples: Number of sampled answers of self-consistency.
        limits: Maximum tokens of a short answer and of an answer with reasoning.
        seed: Sampling seed.
    """
    short, long = limits

    def entry(name: str, method: Method, decoding: Decoding) -> PromptingMethod:
        if method in FEW_SHOT_METHODS:
            return PromptingMethod(name, replace(prompting, method=method), decoding)
        return PromptingMethod(name, replace(prompting, method=method, shots=0, pick="first"), decoding)

    sampling = Decoding("sample", temperature=0.7, max_tokens=long, answers=samples, seed=seed)
    methods = [entry("zero-shot", "zero-shot", Decoding(max_tokens=short))]
    if prompting.shots:
        methods.append(entry("few-shot", "few-shot", Decoding(max_tokens=short)))
        methods.append(entry("chain-of-thought", "chain-of-thought", Decoding(max_tokens=long)))
    methods.append(entry("zero-shot-cot", "zero-shot-cot", Decoding(max_tokens=long)))
    # Self-consistency samples chain-of-thought answers: few-shot as in the paper, zero-shot with two calls.
    voting: Method = "chain-of-thought" if prompting.shots else "zero-shot-cot"
    return [*methods, entry("self-consistency", voting, sampling)]


@dataclass(frozen=True)
class MethodResult:
    """Answers of one prompting method to one question."""

    method: PromptingMethod
    prompts: tuple[Prompt, ...]
    """One per call; with several samples, the second call of the first sample."""
    answers: tuple[Answer, ...]
    """Final model outputs, one per sample."""
    thinking: tuple[str, ...]
    """Reasoning written in the first of two calls."""
    extracted: tuple[Extracted | None, ...]
    """The answer extracted from each text; None if there is none."""
    answer: Vote
    failures: tuple[NotCompleted, ...] = ()
    """Failed calls."""
    calls: tuple[Completion | NotCompleted, ...] = ()
    """All calls, in order."""
    final: tuple[Completion | NotCompleted, ...] = ()
    """Calls that gave the answers: the second ones of two-call methods."""

    @property
    def dollars(self) -> float | None:
        """Cost of the calls that were not cached, in dollars; None if a price is unknown."""
        return calls_cost(self.calls)

    @property
    def texts(self) -> tuple[str, ...]:
        """Texts of `answers`."""
        return tuple(answer.text for answer in self.answers)


@dataclass(frozen=True)
class PromptedQuestion:
    """A question with the prompting method to use."""

    method: PromptingMethod
    question: str
    choices: tuple[str, ...] = ()
    pool: tuple[FewShotExample, ...] = ()
    """Pool of few-shot examples."""
    images: tuple[bytes, ...] = ()
    """Encoded PNG or JPEG images of the question; sent with both calls, never with the examples."""


def ask_each(
    model: TextModel, questions: Sequence[PromptedQuestion], embedder: Embedder | None = None
) -> list[MethodResult]:
    """Ask all questions: all first calls in one batch, then all second calls.

    Raises:
        ModelError: The model does not support the decoding of a method, or does not accept images.
        RecipeError: A method needs nearest examples without an `embedder`, there are too few examples, or a plain-text
            prompt is used with images.
    """
    if any(item.images for item in questions) and not model.means.images:
        raise ModelError("This model does not accept images.", hint=IMAGE_MODELS)
    prompts = [_prompt(item, embedder) for item in questions]
    first = model.complete([_first(item, prompt) for item, prompt in zip(questions, prompts, strict=True)])
    seconds = {
        nth: [second_prompt(item.method.prompting, prompts[nth], text) for text in _texts(first[nth])]
        for nth, item in enumerate(questions)
        if item.method.prompting.steps == 2
    }
    followups = [
        _second(questions[nth], prompt) for nth, second_prompts in seconds.items() for prompt in second_prompts
    ]
    ends = iter(model.complete(followups))
    results = []
    for nth, (item, prompt, output) in enumerate(zip(questions, prompts, first, strict=True)):
        if nth in seconds:
            last = [next(ends) for _ in seconds[nth]]
            results.append(_method_result(item, (prompt, *seconds[nth][:1]), last, output))
        else:
            results.append(_method_result(item, (prompt,), [output]))
    return results


def rendered_first(item: PromptedQuestion) -> Prompt:
    """Prompt of the first call, for methods without nearest examples.

    Raises:
        RecipeError: As `ask_each`.
    """
    return _prompt(item, None)


def requests_of(questions: Sequence[PromptedQuestion], embedder: Embedder | None = None) -> list[TextRequest]:
    """Upper bound of the requests of `ask_each`, assuming that first answers of two calls use all their tokens.

    Raises:
        RecipeError: As `ask_each`.
    """
    requests = []
    for item in questions:
        prompt = _prompt(item, embedder)
        requests.append(_first(item, prompt))
        if item.method.prompting.steps == 2:
            decoding = item.method.decoding
            thoughts = [placeholder_text(decoding.max_tokens, nth) for nth in range(decoding.answers)]
            requests += [_second(item, second_prompt(item.method.prompting, prompt, text)) for text in thoughts]
    return requests


def _first(item: PromptedQuestion, prompt: Prompt) -> TextRequest:
    return TextRequest(prompt, _stopping(item.method, item.method.decoding))


def _second(item: PromptedQuestion, prompt: Prompt) -> TextRequest:
    return TextRequest(prompt, _stopping(item.method, item.method.second or Decoding(max_tokens=32)))


def _prompt(item: PromptedQuestion, embedder: Embedder | None) -> Prompt:
    prompting = item.method.prompting
    examples = _examples(prompting, item.question, item.pool, embedder)
    return _with_images(item.images, render(prompting, item.question, examples))


def _with_images(images: Sequence[bytes], prompt: Prompt) -> Prompt:
    """Add images to the last message, which holds the question."""
    if not images:
        return prompt
    if isinstance(prompt, str):
        raise RecipeError("A plain-text prompt cannot hold images.", hint="Use the layout 'turns' or 'message'.")
    return (*prompt[:-1], replace(prompt[-1], images=tuple(images)))


def _examples(
    prompting: Prompting, question: str, pool: Sequence[FewShotExample], embedder: Embedder | None
) -> tuple[FewShotExample, ...]:
    if not prompting.shots:
        return ()
    near = None
    if prompting.pick == "nearest":
        if embedder is None:
            raise RecipeError(
                "Selecting nearest examples needs a sentence encoder.", hint="For example embedded:minilm."
            )
        rows = embedder.embed([question, *(example.question for example in pool)])
        near = np.asarray(rows[0], np.float64), np.asarray(rows[1:], np.float64)
    try:
        return select_examples(prompting, question, pool, near)
    except ValueError as error:
        raise RecipeError(str(error)) from error


def _stopping(method: PromptingMethod, decoding: Decoding) -> Decoding:
    return replace(decoding, stop=(*decoding.stop, *(s for s in method.prompting.stop if s not in decoding.stop)))


def _texts(output: Completion | NotCompleted) -> tuple[str, ...]:
    return tuple(answer.text for answer in output.answers) if isinstance(output, Completion) else ()


def _method_result(
    item: PromptedQuestion,
    prompts: tuple[Prompt, ...],
    last: Sequence[Completion | NotCompleted],
    first: Completion | NotCompleted | None = None,
) -> MethodResult:
    """Collect the answers; `first` is the first of two calls, if there were two."""
    method = item.method
    # A plain-text prompt ends with "the answer is"; in a conversation the model starts a new sentence.
    continues = method.prompting.steps == 2 and method.prompting.layout == "plain"
    calls = (*((first,) if first is not None else ()), *last)
    answers = tuple(answer for output in last if isinstance(output, Completion) for answer in output.answers)
    extracted = tuple(
        extract_answer(answer.text, method.prompting, item.choices, continues=continues) for answer in answers
    )
    failures = tuple(call for call in calls if isinstance(call, NotCompleted))
    thinking = _texts(first) if first is not None else ()
    return MethodResult(
        method, prompts, answers, thinking, extracted, vote(extracted), failures, tuple(calls), tuple(last)
    )


def extract_answer(
    text: str, prompting: Prompting, choices: Sequence[str] = (), *, continues: bool = False
) -> Extracted | None:
    """Extract the answer of the requested kind from model output; None if there is none.

    `continues`: the text continues a prompt that ends with "the answer is".
    """
    if prompting.kind == "number":
        return extract_number(text, continues=continues)
    if prompting.kind == "yes-no":
        return extract_yes_no(text, continues=continues)
    if prompting.kind == "choice":
        return extract_choice(text, LETTERS[: prompting.choices], choices, continues=continues)
    return extract_span(text, continues=continues) or _whole(text)


def _whole(text: str) -> Extracted | None:
    """The whole text, for questions with free-form answers."""
    stripped = text.strip()
    start = text.find(stripped)
    return Extracted(stripped, "whole", start, start + len(stripped)) if stripped else None
