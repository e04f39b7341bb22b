"""Conversations into tokens, by a model's own chat template; nothing a user writes is taken for a special token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from assay.core.completions import Message
from assay.core.errors import ModelError


def rendered(tokenizer: Any, prompt: str | tuple[Message, ...], reference: str) -> list[int]:
    """Token ids of a prompt: words as they are, or a conversation through the chat template, ready for the answer.

    A special token that is written out in a message would end the turn or begin another: it is taken out, as no user
    means it.

    Raises:
        ModelError: A message carries images, there is no chat template, or it refuses the conversation.
    """
    if isinstance(prompt, str):
        return words_of(tokenizer, prompt) or _something(tokenizer)
    if any(message.images for message in prompt):
        raise ModelError(f"Model {reference!r} takes no images in a message.")
    if tokenizer.chat_template is None:
        raise ModelError(
            f"Model {reference!r} has no chat template.", hint="Ask it with a plain prompt, or take an instruct model."
        )
    return _templated(tokenizer, prompt, reference, add_generation_prompt=True)


def answered(tokenizer: Any, prompt: tuple[Message, ...], answer: str, reference: str) -> tuple[list[int], int]:
    """Token ids of a conversation and the answer to it, and where the answer begins: what a model is taught.

    It begins where the whole parts from the conversation that is ready for it, as `rendered` asks it; what the template
    puts behind an answer to end it belongs to it.

    Raises:
        ModelError: As `rendered`, or the template leaves the answer out.
    """
    asked = rendered(tokenizer, prompt, reference)
    whole = _templated(tokenizer, (*prompt, Message("assistant", answer)), reference, add_generation_prompt=False)
    start = next((nth for nth, (one, other) in enumerate(zip(asked, whole, strict=False)) if one != other), len(asked))
    if start >= len(whole):
        raise ModelError(f"The chat template of model {reference!r} leaves out what the assistant says.")
    return whole, start


def _templated(tokenizer: Any, turns: tuple[Message, ...], reference: str, *, add_generation_prompt: bool) -> list[int]:
    said = [{"role": one.role, "content": without(tokenizer.all_special_tokens, one.text)} for one in turns]
    try:
        ids = tokenizer.apply_chat_template(
            said, add_generation_prompt=add_generation_prompt, return_dict=False, tokenizer_kwargs={"verbose": False}
        )
    except Exception as error:  # jinja's own errors, and what templates raise
        raise ModelError(f"The chat template of model {reference!r} refuses this conversation: {error}.") from error
    return list(ids)


def words_of(tokenizer: Any, text: str) -> list[int]:
    """Token ids of a text of any length; what looks like a special token in it is words."""
    # Not verbose: it would warn of texts longer than the context, which are read by a window or refused elsewhere.
    return list(tokenizer(text, split_special_tokens=True, verbose=False)["input_ids"])


def without(specials: Sequence[str], text: str) -> str:
    """`text` without special tokens, also those that appear when another is taken out of their middle."""
    while any(special in text for special in specials if special):
        for special in specials:
            if special:
                text = text.replace(special, "")
    return text


def cut_at(text: str, stops: Sequence[str]) -> tuple[str, bool]:
    """`text` up to the first of some stop strings, and whether there was one."""
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return (text[: min(places)], True) if places else (text, False)


def _something(tokenizer: Any) -> list[int]:
    """What an empty prompt begins with: a network needs one token at least."""
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return [first]
