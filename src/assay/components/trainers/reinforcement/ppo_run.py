"""One training by PPO from loading to saving: silence, randomness, memory, and checkpoints that it goes on from."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from assay.components.trainers.reinforcement.ppo_loop import Loop, Prompt, State
from assay.components.trainers.reinforcement.ppo_policy import Policy
from assay.components.trainers.sft.model import save, tokenizer_of
from assay.components.trainers.training_run import CHECKPOINTS, hushed, randomness_kept, short_memory_told
from assay.core.lab import Lab
from assay.models.references import locate

if TYPE_CHECKING:
    from assay.components.trainers.reinforcement.ppo import PPO

LAST = "last.pt"
"""The checkpoint, among `CHECKPOINTS`; there is one at most."""
UNREADABLE = (OSError, EOFError, RuntimeError, ValueError, KeyError, TypeError, pickle.UnpicklingError)
"""What reading a damaged one raises."""


def learn(ppo: PPO, prompts: Sequence[Prompt], lab: Lab, *, half: bool) -> tuple[State, int]:
    """Trains in `lab.workspace()`, going on from the last checkpoint; the last state, and how many parameters learned.

    Raises:
        RecipeError: As `Loop.step`, or memory is short.
        ModelError: The model cannot be loaded.
    """
    start = locate(ppo.model)
    short = short_memory_told(ppo.model, "Fewer prompts, more minibatches or fewer max_tokens need less.")
    with hushed(), randomness_kept(), short:
        torch.manual_seed(lab.seed % 2**32)
        policy = Policy(start, rank=ppo.rank, alpha=ppo.alpha, half=half, temperature=ppo.temperature)
        loop = Loop(ppo, policy, tokenizer_of(start), prompts, lab)
        file = lab.workspace() / CHECKPOINTS / LAST
        restore(loop, file)
        while loop.state.step < ppo.steps:
            loop.step()
            step = loop.state.step
            if ppo.save_every and step % ppo.save_every == 0 and step < ppo.steps:
                keep(loop, file)
            if lab.progress is not None:
                lab.progress(step, ppo.steps)
        save(start, policy.model, lab.workspace() / "model")
    trained = sum(one.numel() for group in loop.optimizer.param_groups for one in group["params"])
    return loop.state, trained


def keep(loop: Loop, file: Path) -> None:
    """Writes a checkpoint in the place of the one before, whole or not at all."""
    new = file.with_suffix(".new")
    whole = {"state": asdict(loop.state), "policy": loop.policy.state(), "optimizer": loop.optimizer.state_dict()}
    with new.open("wb") as stream:
        torch.save(whole, stream)
        stream.flush()
        os.fsync(stream.fileno())
    new.replace(file)


def restore(loop: Loop, file: Path) -> None:
    """Goes on from a checkpoint, if there is one that can be read."""
    if not file.is_file():
        return
    try:
        kept = torch.load(file, map_location=loop.policy.device, weights_only=True)
        state = State(**kept["state"])
    except UNREADABLE:
        return
    loop.policy.restore(kept["policy"])
    loop.optimizer.load_state_dict(kept["optimizer"])
    loop.state = state
