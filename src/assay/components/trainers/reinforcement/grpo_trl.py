"""TRL's GRPOTrainer as `GRPO` uses it. Importing this imports TRL, which takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from trl import GRPOTrainer
from trl.trainer.utils import add_fused_lm_head

from assay.components.trainers.reinforcement.grpo_rewards import Panel, shown
from assay.components.trainers.sft.trl_trainer import Following
from assay.core.errors import RecipeError

PATIENCE = 10
"""Steps after which rewards that never differed are taken for ones that never will."""
SAME = 1e-6


class Reinforcer(GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer with our schedule and prompts, more that is watched, and nothing sent that nobody asked for.

    A prompt is named by its place among `asked`, so that a model is trained on the very tokens that it is asked with.
    """

    share: Callable[[int], float]
    """Of the peak rate in each step."""
    asked: Sequence[Sequence[int]]
    """Tokens of each prompt."""
    panel: Panel
    answers_only = False
    """Whether logits are made for answers alone. TRL's kernel does so where it has Triton, on a CPU it does not."""
    _last: torch.Tensor

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Linear up, cosine down."""
        self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, self.share)
        return self.lr_scheduler

    def refer(self, model: Any, beta: float) -> None:
        """Takes `model` for the reference. TRL would open it by a path that a GGUF file does not leave."""
        add_fused_lm_head(model, temperature=self.temperature)
        self.ref_model = self.accelerator.prepare_model(model.eval().requires_grad_(False), evaluation_mode=True)
        self.beta = beta

    def _tokenize_prompts(self, prompts: list[str]) -> tuple[list[list[int]], None, dict[str, Any]]:
        return [list(self.asked[int(one)]) for one in prompts], None, {}

    def _generate_single_turn(self, *rows: Any, **more: Any) -> Any:
        """Answers in the precision that they are learned in."""
        with self.accelerator.autocast():
            return super()._generate_single_turn(*rows, **more)

    def _calculate_rewards(self, inputs: Any, prompts: Any, completions: Any, completion_ids_list: Any) -> torch.Tensor:
        """As TRL's; an answer of which one reward lacks has none, and takes no part."""
        found: torch.Tensor = super()._calculate_rewards(inputs, prompts, completions, completion_ids_list)
        found[found.isnan().any(1)] = torch.nan
        if found.isnan().all():
            causes = "; ".join(cause.removesuffix(".") for cause in list(self.panel.causes)[:3])
            raise RecipeError(
                f"None of the {len(found)} answers of step {self.state.global_step + 1} could be rewarded: {causes}."
            )
        groups = (found * self.reward_weights.to(found)).sum(1).view(-1, self.num_generations)
        spread = groups.nan_to_num(-torch.inf).amax(1) - groups.nan_to_num(torch.inf).amin(1)
        seen = self._metrics["train"]
        seen["alike"].append((spread < SAME).float().mean().item())
        seen["unrewarded"].append(found[:, 0].isnan().sum().item())
        places = [int(one) for one in prompts]
        for name, scorer in self.panel.watch.items():
            values = [one for one in self.panel.look("watch", name, places, completions).values if one is not None]
            if values:
                seen[f"watch {name}"].append(shown(scorer, values))
        return found

    def _get_per_token_logps_and_entropies(
        self, model: Any, input_ids: Any, attention_mask: Any, logits_to_keep: int, batch_size: Any = None, **more: Any
    ) -> Any:
        """As TRL's, or with logits for answers alone. Shape: (answers, tokens), twice; (), or None."""
        if not self.answers_only:
            found = super()._get_per_token_logps_and_entropies(
                model, input_ids, attention_mask, logits_to_keep, batch_size, **more
            )
            self._last = found[0].detach()
            return found
        size = batch_size or len(input_ids)
        parts = [
            self._of_answers(model, ids, mask, logits_to_keep)
            for ids, mask in zip(input_ids.split(size), attention_mask.split(size), strict=True)
        ]
        values, entropies = (torch.cat(part) for part in zip(*parts, strict=True))
        self._last = values.detach()
        return values, entropies if more.get("compute_entropy") else None, None

    def _of_answers(self, model: Any, ids: Any, mask: Any, kept: int) -> tuple[torch.Tensor, torch.Tensor]:
        with self.accelerator.autocast():
            logits = model(input_ids=ids, attention_mask=mask, use_cache=False, logits_to_keep=kept + 1).logits
        logs = (logits[:, -kept - 1 : -1].float() / self.temperature).log_softmax(-1)
        values = logs.gather(-1, ids[:, -kept:, None])[..., 0]
        with torch.no_grad():
            entropies = -(logs.exp() * logs).sum(-1)
        return values, entropies

    def _compute_loss(self, model: Any, inputs: Any) -> Any:
        """As TRL's; the divergence is also kept as a sum over each answer, and not only as a mean over tokens."""
        loss = super()._compute_loss(model, inputs)
        more = inputs["ref_per_token_logps"] - self._last
        sums = ((more.exp() - more - 1) * inputs["completion_mask"]).sum(1)
        self._metrics["train"]["answer kl"].append(sums.mean().item())
        return loss

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """None: checkpoints are removed in the end."""

    def _send_telemetry(self) -> None:
        """None."""


def reward_function(name: str, panel: Panel) -> Callable[..., list[float | None]]:
    """A scorer in TRL's form."""

    def found(*, prompts: list[str], completions: list[str], log_metric: Any, **_: Any) -> list[float | None]:
        looked = panel.look("rewards", name, [int(one) for one in prompts], completions)
        log_metric(f"unread {name}", looked.unread)
        log_metric(f"failed {name}", looked.failed)
        return list(looked.values)

    found.__name__ = name
    return found


class Judging(Following):
    """Also refuses rewards that are always the same."""

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **more: Any) -> None:
        """Looks at the loss and at the rewards."""
        super().on_log(args, state, control, logs, **more)
        alike = [row["alike"] for row in state.log_history if "alike" in row]
        enough = len(alike) == PATIENCE or state.global_step >= state.max_steps
        if alike and enough and min(alike[:PATIENCE]) == 1:
            mean = [row["reward"] for row in state.log_history if "reward" in row]
            raise RecipeError(
                f"In {len(alike)} steps no two answers to a prompt were rewarded differently (mean reward "
                f"{sum(mean) / len(mean):.3g}): there is nothing to learn.",
                hint="Begin with a model that half succeeds, such as one tuned by SFT, or take easier or harder tasks.",
            )
