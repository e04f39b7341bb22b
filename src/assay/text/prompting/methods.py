"""A question made into a prompt: plainly, or as turns of a conversation, with examples or without.

Pure: no model is called here. A method of two calls gives its second prompt from the first answer.
"""

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
"""As `TextRequest` takes it."""
METHODS = ("zero-shot", "few-shot", "chain-of-thought", "zero-shot-cot")
SHOWING = ("few-shot", "chain-of-thought")
"""Methods that show examples."""


@dataclass(frozen=True)
class FewShotExample:
    """A question that is answered already."""

    question: str
    answer: str
    """Only the answer: "42", "B", "yes"."""
    reasoning: str = ""
    """What leads to it, in sentences; chain-of-thought needs it, no other method shows it."""


@dataclass(frozen=True)
class PromptWording:
    """The words between the words: English, and of the papers, unless told otherwise.

    Raises:
        ValueError: `declared` has no {answer}.
    """

    question: str = "Q: "
    answer: str = "A:"
    """A space follows before an answer; nothing where the model is to go on."""
    between: str = "\n\n"
    """Between the instruction, the examples and the question."""
    declared: str = "The answer is {answer}."
    """How the answer of an example ends its reasoning; see `declarations` for what is read back."""
    think: str = "Let's think step by step."
    conclude: str = ""
    """What asks for the answer after the thinking; empty for what `trigger` says."""

    def __post_init__(self) -> None:
        if "{answer}" not in self.declared:
            raise ValueError(f"PromptWording.declared must hold {{answer}}, was {self.declared!r}.")


@dataclass(frozen=True)
class Prompting:
    """One way to ask.

    * zero-shot: the question alone.
    * few-shot: after `shots` examples with their answers (Brown et al. 2020).
    * chain-of-thought: after `shots` examples with reasoning and answer (Wei et al. 2022, section 2).
    * zero-shot-cot: in two calls: the model is made to think, then asked for the answer (Kojima et al. 2022,
      section 3).

    Raises:
        ValueError: A value lies outside its range, or belongs to another method.
    """

    method: Method = "zero-shot"
    shots: int = 0
    """Examples shown: 1 or more where the method shows any, else 0."""
    pick: Pick = "first"
    """The first ones given, or those most like the question, the most like last."""
    kind: Kind = "text"
    """What sort of answer is wanted."""
    choices: int = 0
    """How many letters there are to choose from; 2 to 26 with the kind "choice", else 0."""
    layout: Layout = "turns"
    """Turns of a conversation, the examples as earlier ones; one message of the user; or plain words to go on from."""
    instruction: str = ""
    """Comes first; in turns it is the system's message, which some models' templates refuse: use "message" for them."""
    wording: PromptWording = field(default_factory=PromptWording)

    def __post_init__(self) -> None:
        for name, value, known in (
            ("method", self.method, METHODS),
            ("pick", self.pick, ("first", "nearest")),
            ("kind", self.kind, ("number", "choice", "yes-no", "text")),
            ("layout", self.layout, ("turns", "message", "plain")),
        ):
            if value not in known:
                raise ValueError(f"Prompting.{name} must be one of {', '.join(known)}, was {value!r}.")
        if (self.shots > 0) != (self.method in SHOWING) or self.shots < 0:
            least = "1 or more" if self.method in SHOWING else "0"
            raise ValueError(f"Prompting.shots must be {least} with {self.method!r}, was {self.shots}.")
        if (self.choices != 0) != (self.kind == "choice") or self.choices not in (0, *range(2, len(LETTERS) + 1)):
            raise ValueError(f"Prompting.choices must be 2 to 26 with 'choice' and 0 without, was {self.choices}.")

    @property
    def steps(self) -> int:
        """How many calls it takes: 2 for zero-shot chain-of-thought, else 1."""
        return 2 if self.method == "zero-shot-cot" else 1

    @property
    def trigger(self) -> str:
        """What asks for the answer in the second call.

        Source: Kojima et al. 2022, appendix A.5, and the official code; by the kind of answer, the letters by number.
        """
        among = f"among {LETTERS[0]} through {LETTERS[max(self.choices, 1) - 1]}, the answer is"
        usual = {
            "number": "the answer (arabic numerals) is",
            "choice": among,
            "yes-no": "the answer (Yes or No) is",
            "text": "the answer is",
        }
        return self.wording.conclude or f"Therefore, {usual[self.kind]}"

    @property
    def stop(self) -> tuple[str, ...]:
        """For `Decoding.stop`: a model that goes on from plain words may ask itself the next question."""
        mark = self.wording.question.strip()
        return (f"\n{mark}",) if mark and self.layout == "plain" else ()


def multiple_choice(question: str, texts: Sequence[str], letters: Sequence[str] = LETTERS) -> str:
    """`question` with its choices under it, "(A) Mars", one a line.

    Raises:
        ValueError: There are fewer than two choices, more than letters, or one is blank.
    """
    if not 2 <= len(texts) <= len(letters) or not all(text.strip() for text in texts):
        raise ValueError(f"Choices must be 2 to {len(letters)} texts, none of them blank, had {list(texts)!r}.")
    return "\n".join([question, *(f"({letter}) {text}" for letter, text in zip(letters, texts, strict=False))])


def examples_for(
    prompting: Prompting,
    question: str,
    pool: Sequence[FewShotExample],
    near: tuple[npt.ArrayLike, npt.ArrayLike] | None = None,
) -> tuple[FewShotExample, ...]:
    """The examples that are shown before `question`, out of `pool`, in the order in which they are shown.

    Never the question itself: an example that asks the same, whatever its case and spaces, is passed over. With
    "nearest", `near` holds the embedding of the question (d,) and those of the pool (n, d); the highest cosines are
    taken, the first of equals, and the nearest comes last, next to the question. With "first" it is not looked at.

    Raises:
        ValueError: There are fewer examples than shots beside the question; one has no reasoning though the method
            shows it; embeddings are missing, do not fit, are not finite, or have no length.
    """
    others = [at for at, example in enumerate(pool) if _folded(example.question) != _folded(question)]
    if len(others) < prompting.shots:
        raise ValueError(f"Needed {prompting.shots} examples beside the question, had {len(others)}.")
    if prompting.shots and prompting.pick == "nearest":
        cosines = _cosines(near, len(pool))[others]
        order = np.argsort(-cosines, kind="stable")[: prompting.shots]
        others = [others[at] for at in order[::-1]]
    picked = tuple(pool[at] for at in others[: prompting.shots])
    if prompting.method == "chain-of-thought" and (bare := [one for one in picked if not one.reasoning.strip()]):
        raise ValueError(
            f"Chain-of-thought needs the reasoning of each example; there is none for {bare[0].question!r}."
        )
    return picked


def render(prompting: Prompting, question: str, examples: Sequence[FewShotExample] = ()) -> Prompt:
    """The prompt of the first call; `examples` as `examples_for` gives them.

    Plain, and one message with examples: instruction, examples and question with `between` between them, each
    "Q: ...", a new line, "A: ..."; the last "A:" is left open, or goes on with "Let's think step by step.". One message
    without examples: instruction and question as they are. In turns an example is a message of the user and one of the
    assistant. In a conversation the model is told to think after the question, by the user, since a conversation
    cannot in general be gone on with in the middle of an answer; there we differ from Kojima et al.

    Raises:
        ValueError: There are not as many examples as shots.
    """
    if len(examples) != prompting.shots:
        raise ValueError(f"Needed {prompting.shots} examples, had {len(examples)}.")
    wording, thinking = prompting.wording, prompting.method == "zero-shot-cot"
    if prompting.layout == "plain":
        return _plain(prompting, question, examples) + (f" {wording.think}" if thinking else "")
    asked = f"{question}{wording.between}{wording.think}" if thinking else question
    if prompting.layout == "turns":
        turns = [
            message
            for example in examples
            for message in (Message("user", example.question), Message("assistant", _answered(prompting, example)))
        ]
        system = [Message("system", prompting.instruction)] if prompting.instruction else []
        return (*system, *turns, Message("user", asked))
    if examples:
        return (Message("user", _plain(prompting, question, examples)),)
    return (Message("user", wording.between.join(filter(None, (prompting.instruction, asked)))),)


def second_step(prompting: Prompting, first: Prompt, answer: str) -> Prompt:
    """The prompt of the second call, from that of the first and what the model answered.

    Plain: the first prompt, the answer, a new line and `trigger`, for the model to go on from; read what comes with
    `continues=True`. A space stands before the answer where a server cut it off. In a conversation the answer is the
    assistant's turn and `trigger` the user's next.

    Raises:
        ValueError: The method takes one call.

    Source: Kojima et al. 2022, section 3 (second prompt), and the official code, which has a space before the new line.
    """
    if prompting.steps < 2:
        raise ValueError(f"{prompting.method!r} takes one call.")
    if isinstance(first, str):
        return f"{first}{'' if answer[:1].isspace() else ' '}{answer.rstrip()}\n{prompting.trigger}"
    return (*first, Message("assistant", answer), Message("user", prompting.trigger))


def _plain(prompting: Prompting, question: str, examples: Sequence[FewShotExample]) -> str:
    wording = prompting.wording
    shown = [
        f"{wording.question}{example.question}\n{wording.answer} {_answered(prompting, example)}"
        for example in examples
    ]
    asked = f"{wording.question}{question}\n{wording.answer}"
    return wording.between.join([*filter(None, [prompting.instruction]), *shown, asked])


def _answered(prompting: Prompting, example: FewShotExample) -> str:
    if prompting.method != "chain-of-thought":
        return example.answer
    return f"{example.reasoning.strip()} {prompting.wording.declared.replace('{answer}', example.answer)}"


def _folded(question: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", question).casefold().split())


def _cosines(near: tuple[npt.ArrayLike, npt.ArrayLike] | None, n: int) -> npt.NDArray[np.float64]:
    """(n,): of the question with each of the pool."""
    if near is None:
        raise ValueError("Nearest examples need the embeddings of the question and of the pool.")
    one, many = np.asarray(near[0], dtype=np.float64), np.asarray(near[1], dtype=np.float64)
    if one.ndim != 1 or many.shape != (n, len(one)):
        raise ValueError(f"Embeddings must be (d,) and ({n}, d), were {one.shape} and {many.shape}.")
    rows = np.vstack([one, many])
    lengths = np.linalg.norm(rows, axis=1)
    if not (np.isfinite(rows).all() and (lengths > 0).all()):
        raise ValueError("Embeddings must be finite, and none of them zero.")
    rows /= lengths[:, None]
    cosines: npt.NDArray[np.float64] = rows[1:] @ rows[0]
    return cosines
