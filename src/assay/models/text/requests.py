"""Encoding of prompts with a model's chat template, and checks of requests before they reach a network.

Text of a user is never parsed as a special token.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from assay.core.completions import Answer, LogProbs, Message, NotCompleted, TextRequest
from assay.core.decoding import Decoding
from assay.core.errors import ModelError
from assay.core.lab import hash_seed
from assay.core.model_kinds import TokenModel


def encode_prompt(tokenizer: Any, prompt: str | tuple[Message, ...], reference: str) -> list[int]:
    """Token ids of a prompt: plain text, or a conversation in the chat template with the generation prompt.

    Special tokens in a message are removed, as they would end the turn or begin another.

    Raises:
        ModelError: A message has images, there is no chat template, or it rejects the conversation.
    """
    if isinstance(prompt, str):
        return encode_text(tokenizer, prompt) or _empty_prompt(tokenizer)
    if any(message.images for message in prompt):
        raise ModelError(f"Model {reference!r} does not support images in messages.")
    if tokenizer.chat_template is None:
        raise ModelError(
            f"Model {reference!r} has no chat template.",
            hint="Use a plain prompt, or an instruct model.",
            name="chat_template",
            model=reference,
        )
    return _apply_template(tokenizer, prompt, reference, add_generation_prompt=True)


def encode_answer(tokenizer: Any, prompt: tuple[Message, ...], answer: str, reference: str) -> tuple[list[int], int]:
    """Token ids of a conversation with its answer, and the index at which the answer begins.

    The answer begins where these tokens first differ from those of `encode_prompt`. The end tokens that the template
    appends belong to the answer.

    Raises:
        ModelError: As `encode_prompt`, or the template omits the answer.
    """
    prompt_ids = encode_prompt(tokenizer, prompt, reference)
    whole_ids = _apply_template(
        tokenizer, (*prompt, Message("assistant", answer)), reference, add_generation_prompt=False
    )
    differing = (nth for nth, (left, right) in enumerate(zip(prompt_ids, whole_ids, strict=False)) if left != right)
    start = next(differing, len(prompt_ids))
    if start >= len(whole_ids):
        raise ModelError(f"The chat template of model {reference!r} omits the assistant's message.")
    return whole_ids, start


def _apply_template(
    tokenizer: Any, messages: tuple[Message, ...], reference: str, *, add_generation_prompt: bool
) -> list[int]:
    specials = tokenizer.all_special_tokens
    turns = [{"role": turn.role, "content": remove_special_tokens(specials, turn.text)} for turn in messages]
    try:
        ids = tokenizer.apply_chat_template(
            turns, add_generation_prompt=add_generation_prompt, return_dict=False, tokenizer_kwargs={"verbose": False}
        )
    except Exception as error:  # errors of jinja, and those that templates raise
        raise ModelError(f"The chat template of model {reference!r} rejects this conversation: {error}.") from error
    return list(ids)


def encode_text(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text of any length; special tokens in it are encoded as plain text."""
    # Not verbose: it would warn of texts longer than the context, which are windowed or rejected elsewhere.
    return list(tokenizer(text, split_special_tokens=True, verbose=False)["input_ids"])


def remove_special_tokens(specials: Sequence[str], text: str) -> str:
    """`text` without special tokens, including those that appear when another one is removed."""
    while any(special in text for special in specials if special):
        for special in specials:
            if special:
                text = text.replace(special, "")
    return text


def truncate_at_stop(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """`text` up to the first stop string, and whether there was one."""
    positions = [position for stop in stops if (position := text.find(stop)) >= 0]
    return (text[: min(positions)], True) if positions else (text, False)


def text_answer(text: str, stops: Sequence[str], tokens: int, log_prob: float | None, *, ended: bool) -> Answer:
    """Answer with the text up to the first stop string; `ended` is whether the model ended it."""
    text, stopped = truncate_at_stop(text, stops)
    return Answer(text, "empty" if not text else "stop" if ended or stopped else "length", tokens, log_prob)


def _empty_prompt(tokenizer: Any) -> list[int]:
    """Token ids of an empty prompt: a network needs at least one."""
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return [first]


ALL_CONTROLS = frozenset({"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "length_penalty", "stop"})


def answer_seed(seed: int, nth: int) -> int:
    """Random seed of the nth answer to a request."""
    return hash_seed(seed, nth)


def check_decodings(
    requests: Sequence[TextRequest], reason_of: Callable[[Decoding], str | None], reference: str, hint: str = ""
) -> None:
    """Reject all requests if the backend does not support the decoding of one.

    Raises:
        ModelError: `reason_of` returned a reason.
    """
    for request in requests:
        if (reason := reason_of(request.decoding)) is not None:
            raise ModelError(f"Model {reference!r} cannot answer: {reason}.", hint=hint)


def unsupported_with_beams(decoding: Decoding) -> str | None:
    """Controls that the beam searches of OpenVINO GenAI and vLLM reject, ignore or get wrong, as a sentence."""
    unsupported = sorted(decoding.controls & {"repetition_penalty", "stop"}) if decoding.strategy == "beam" else []
    return f"its beam search does not support {', '.join(unsupported)}" if unsupported else None


def context_overflow(prompt: int, answer: int, context: int | None) -> NotCompleted | None:
    """Failure if a prompt and an answer of these lengths in tokens exceed the context, else None."""
    if context is None or prompt + answer <= context:
        return None
    reason = f"A prompt of {prompt} tokens and an answer of {answer} exceed the context of {context} tokens."
    return NotCompleted("context", reason)


def check_row_lengths(rows: Sequence[Sequence[int]], limit: int | None, reference: str) -> None:
    """Reject texts of more than `limit` tokens; None for no limit.

    Raises:
        ModelError: A text is longer.
    """
    longest = max(map(len, rows), default=0)
    if limit is not None and longest > limit:
        raise ModelError(
            f"A text of {longest} tokens exceeds the maximum of {limit} of model {reference!r}.",
            model=reference,
            length=longest,
            limit=limit,
        )


def text_log_probs(
    model: TokenModel, texts: Sequence[str], spell: Callable[[list[int]], Sequence[str]]
) -> list[LogProbs]:
    """`TextModel.log_probs` of a `TokenModel`; `spell` maps ids to the tokenizer's tokens."""
    rows = [model.tokens_of(text) for text in texts]
    values_of_rows = model.token_log_probs(rows, [max(0, len(row) - 1) for row in rows])
    return [
        LogProbs(tuple(spell(row)), (None, *values) if row else ())
        for row, values in zip(rows, values_of_rows, strict=True)
    ]
