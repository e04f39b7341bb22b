"""Prompting methods: prompts of zero-shot, few-shot and chain-of-thought prompting; no model is called here."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from assay.core.completions import Message
from assay.text.answers.choices import LETTERS

Method: TypeAlias = Literal["zero-shot", "few-shot", "chain-of-thought", "zero-shot-cot"]
Layout: TypeAlias = Literal["turns", "message", "plain"]
Pick: TypeAlias = Literal["first", "nearest"]
Kind: TypeAlias = Literal["number", "choice", "yes-no", "text"]
Prompt: TypeAlias = str | tuple[Message, ...]
"""Prompt of a `TextRequest`: text or conversation."""
METHODS = ("zero-shot", "few-shot", "chain-of-thought", "zero-shot-cot")
FEW_SHOT_METHODS = ("few-shot", "chain-of-thought")
"""Methods with examples."""


@dataclass(frozen=True)
class FewShotExample:
    """A question with its answer."""

    question: str
    answer: str
    """The answer alone: "42", "B", "yes"."""
    reasoning: str = ""
    """Reasoning that leads to the answer; required and used by chain-of-thought only."""


@dataclass(frozen=True)
class PromptWording:
    """Fixed parts of a prompt; the default is the English wording of the papers.

    Raises:
        ValueError: `declared` does not contain {answer}.
    """

    question: str = "Q: "
    answer: str = "A:"
    """Followed by a space before an answer, and by nothing at the end of the prompt."""
    between: str = "\n\n"
    """Separator of instruction, examples and question."""
    declared: str = "The answer is {answer}."
    """Last sentence of the reasoning of an example; `declarations` parses such sentences."""
    think: str = "Let's think step by step."
    conclude: str = ""
    """Answer trigger of the second call; by default `Prompting.trigger`."""

    def __post_init__(self) -> None:
        if "{answer}" not in self.declared:
            raise ValueError(f"PromptWording.declared must contain {{answer}}, was {self.declared!r}.")


@dataclass(frozen=True)
class Prompting:
    """Settings of a prompting method.

    * zero-shot: the question alone.
    * few-shot: after `shots` examples with their answers (Brown et al. 2020).
    * chain-of-thought: after `shots` examples with reasoning and answer (Wei et al. 2022, section 2).
    * zero-shot-cot: two calls: the model reasons step by step, then is asked for the answer (Kojima et al. 2022,
      section 3).

    Raises:
        ValueError: A value is out of range, or does not apply to the method.
    """

    method: Method = "zero-shot"
    shots: int = 0
    """Number of examples: 1 or more for few-shot and chain-of-thought, else 0."""
    pick: Pick = "first"
    """Selection of examples: the first ones, or the nearest to the question with the nearest last."""
    kind: Kind = "text"
    """Answer kind."""
    choices: int = 0
    """Number of choices: 2 to 26 with the kind "choice", else 0."""
    layout: Layout = "turns"
    """Conversation with examples as earlier turns; a single user message; or plain text to continue."""
    instruction: str = ""
    """First part of the prompt; with "turns" a system message, which the chat templates of some models reject."""
    wording: PromptWording = field(default_factory=PromptWording)

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("method", self.method, METHODS),
            ("pick", self.pick, ("first", "nearest")),
            ("kind", self.kind, ("number", "choice", "yes-no", "text")),
            ("layout", self.layout, ("turns", "message", "plain")),
        ):
            if value not in allowed:
                raise ValueError(f"Prompting.{name} must be one of {', '.join(allowed)}, was {value!r}.")
        if (self.shots > 0) != (self.method in FEW_SHOT_METHODS) or self.shots < 0:
            expected = "1 or more" if self.method in FEW_SHOT_METHODS else "0"
            raise ValueError(f"Prompting.shots must be {expected} with {self.method!r}, was {self.shots}.")
        if (self.choices != 0) != (self.kind == "choice") or self.choices not in (0, *range(2, len(LETTERS) + 1)):
            raise ValueError(f"Prompting.choices must be 2 to 26 with 'choice' and 0 without, was {self.choices}.")

    @property
    def steps(self) -> int:
        """Number of calls: 2 for zero-shot chain-of-thought, else 1."""
        return 2 if self.method == "zero-shot-cot" else 1

    @property
    def trigger(self) -> str:
        """Answer trigger of the second call, by answer kind.

        Source: Kojima et al. 2022, appendix A.5, and the official code.
        """
        among = f"among {LETTERS[0]} through {LETTERS[max(self.choices, 1) - 1]}, the answer is"
        triggers = {
            "number": "the answer (arabic numerals) is",
            "choice": among,
            "yes-no": "the answer (Yes or No) is",
            "text": "the answer is",
        }
        return self.wording.conclude or f"Therefore, {triggers[self.kind]}"

    @property
    def stop(self) -> tuple[str, ...]:
        """Stop strings for `Decoding.stop`: a model that continues plain text may write the next question."""
        prefix = self.wording.question.strip()
        return (f"\n{prefix}",) if prefix and self.layout == "plain" else ()


def multiple_choice(question: str, texts: Sequence[str], letters: Sequence[str] = LETTERS) -> str:
    """The question followed by its choices, "(A) Mars", one per line.

    Raises:
        ValueError: There are fewer than two choices or more than letters, or a choice is blank.
    """
    if not 2 <= len(texts) <= len(letters) or not all(text.strip() for text in texts):
        raise ValueError(f"Choices must be 2 to {len(letters)} texts, none of them blank, had {list(texts)!r}.")
    return "\n".join([question, *(f"({letter}) {text}" for letter, text in zip(letters, texts, strict=False))])


def select_examples(
    prompting: Prompting,
    question: str,
    pool: Sequence[FewShotExample],
    near: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> tuple[FewShotExample, ...]:
    """Select the examples for `question` from `pool`, in prompt order.

    Examples with the same question, ignoring case and whitespace, are excluded. With "nearest", `near` holds the
    embeddings of the question (d,) and of the pool (n, d); the examples with the highest cosine similarity are
    selected, the first of equals, in ascending order. With "first", `near` is ignored.

    Raises:
        ValueError: There are fewer other examples than shots; an example lacks the reasoning of chain-of-thought; or
            the embeddings are missing, not finite, zero, or of the wrong shape.
    """
    others = [at for at, example in enumerate(pool) if _folded(example.question) != _folded(question)]
    if len(others) < prompting.shots:
        raise ValueError(f"{prompting.shots} examples other than the question are needed, got {len(others)}.")
    if prompting.shots and prompting.pick == "nearest":
        cosines = _cosines(near, len(pool))[others]
        order = np.argsort(-cosines, kind="stable")[: prompting.shots]
        others = [others[at] for at in order[::-1]]
    selected = tuple(pool[at] for at in others[: prompting.shots])
    if prompting.method == "chain-of-thought" and (
        bare := [example for example in selected if not example.reasoning.strip()]
    ):
        raise ValueError(f"Chain-of-thought needs the reasoning of each example; {bare[0].question!r} has none.")
    return selected


def render(prompting: Prompting, question: str, examples: Sequence[FewShotExample] = ()) -> Prompt:
    """Prompt of the first call, with the examples of `select_examples`.

    "plain", and "message" with examples: instruction, examples and question separated by `between`, each as "Q: ...", a
    new line, "A: ..."; the last "A:" is empty, or followed by "Let's think step by step.". "message" without examples:
    instruction and question unchanged. "turns": an example is a user and an assistant message. In conversations the
    user asks for step-by-step reasoning after the question, unlike in Kojima et al., since an assistant message cannot
    be continued in general.

    Raises:
        ValueError: The number of examples differs from the number of shots.
    """
    if len(examples) != prompting.shots:
        raise ValueError(f"Expected {prompting.shots} examples, got {len(examples)}.")
    wording, thinking = prompting.wording, prompting.method == "zero-shot-cot"
    if prompting.layout == "plain":
        return _plain(prompting, question, examples) + (f" {wording.think}" if thinking else "")
    user_text = f"{question}{wording.between}{wording.think}" if thinking else question
    if prompting.layout == "turns":
        turns = [
            message
            for example in examples
            for message in (Message("user", example.question), Message("assistant", _answered(prompting, example)))
        ]
        system = [Message("system", prompting.instruction)] if prompting.instruction else []
        return (*system, *turns, Message("user", user_text))
    if examples:
        return (Message("user", _plain(prompting, question, examples)),)
    return (Message("user", wording.between.join(filter(None, (prompting.instruction, user_text)))),)


def second_prompt(prompting: Prompting, first: Prompt, answer: str) -> Prompt:
    """Prompt of the second call, from the first prompt and its answer.

    Plain text: the first prompt, the answer, a new line and `trigger`; extract the answer with `continues=True`. A
    space before the answer is restored if the server stripped it. Conversation: the answer as assistant message,
    then `trigger` as user message.

    Raises:
        ValueError: The method has one call only.

    Source: Kojima et al. 2022, section 3 (second prompt), and the official code, which has a space before the new line.
    """
    if prompting.steps < 2:
        raise ValueError(f"{prompting.method!r} has one call only.")
    if isinstance(first, str):
        return f"{first}{'' if answer[:1].isspace() else ' '}{answer.rstrip()}\n{prompting.trigger}"
    return (*first, Message("assistant", answer), Message("user", prompting.trigger))


def _plain(prompting: Prompting, question: str, examples: Sequence[FewShotExample]) -> str:
    wording = prompting.wording
    solved = [
        f"{wording.question}{example.question}\n{wording.answer} {_answered(prompting, example)}"
        for example in examples
    ]
    open_question = f"{wording.question}{question}\n{wording.answer}"
    return wording.between.join([*filter(None, [prompting.instruction]), *solved, open_question])


def _answered(prompting: Prompting, example: FewShotExample) -> str:
    if prompting.method != "chain-of-thought":
        return example.answer
    return f"{example.reasoning.strip()} {prompting.wording.declared.replace('{answer}', example.answer)}"


def _folded(question: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", question).casefold().split())


def _cosines(near: tuple[npt.ArrayLike, npt.ArrayLike] | None, n: int) -> npt.NDArray[np.float64]:
    """(n,): cosine similarity of the question with each example."""
    if near is None:
        raise ValueError("Nearest examples need the embeddings of the question and of the pool.")
    question, pool = np.asarray(near[0], dtype=np.float64), np.asarray(near[1], dtype=np.float64)
    if question.ndim != 1 or pool.shape != (n, len(question)):
        raise ValueError(f"Embeddings must be (d,) and ({n}, d), were {question.shape} and {pool.shape}.")
    rows = np.vstack([question, pool])
    norms = np.linalg.norm(rows, axis=1)
    if not (np.isfinite(rows).all() and (norms > 0).all()):
        raise ValueError("Embeddings must be finite and not zero.")
    rows /= norms[:, None]
    cosines: npt.NDArray[np.float64] = rows[1:] @ rows[0]
    return cosines
