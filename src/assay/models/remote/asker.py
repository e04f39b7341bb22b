"""Asks one thing of a service until there is an answer or a reason."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from assay.core.completions import Answer, Lack
from assay.models.remote.budget import Budget
from assay.models.remote.concurrency import Pace
from assay.models.remote.errors import Trouble, scrub, short, trouble
from assay.models.remote.prices import Price, dollars
from assay.models.remote.services import Place
from assay.models.remote.wire import read_answer, read_usage

POLL_S = 0.05
"""How often a budget is looked at while others may give back what they reserved."""


@dataclass(frozen=True)
class RemoteSettings:
    """How a service is asked. Only `address` takes part in what is answered."""

    concurrency: int = 16
    """Tries under way at once in a process, at most; fewer while the service says that it is too much."""
    tries: int = 8
    """Of one answer, at most."""
    try_s: float = 120.0
    """How long one try may take, from its sending to the last byte."""
    deadline_s: float = 300.0
    """How long all tries of one answer and the waits between them may take, from the first one's sending."""
    wait_s: float = 60.0
    """A service that asks for a longer wait than this is not asked again."""
    first_wait_s: float = 0.5
    """The wait after try n is drawn between 0 and this times 2 ** (n - 1), at most `wait_s` (full jitter)."""
    address: str | None = None
    """Where a service with a name is to be found, as its library wants it: with /v1 for openai, without for the others.
    None for its own address, or what its library's variable says."""
    price: Price | None = None
    """Instead of the tables' price."""

    def __post_init__(self) -> None:
        for name in ("concurrency", "tries", "try_s", "deadline_s", "wait_s", "first_wait_s"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"RemoteSettings.{name} must be above 0 and finite, was {getattr(self, name)}.")


@dataclass(frozen=True)
class Outcome:
    """What became of one asking: an answer, or what stood in its way."""

    answer: Answer | None = None
    trouble: Trouble | None = None
    tries: int = 1
    prompt_tokens: int | None = None
    dollars: float | None = 0.0
    """None where the price is not known, or where a try was lost that may have been charged."""
    cached: bool = False


@dataclass
class _Asking:
    question: Mapping[str, Any]
    most: float | None
    """Dollars that a try can cost at most; None where no price is known."""
    tries: int = 0
    lost: bool = False
    entered: float = 0.0
    last: Trouble = field(default_factory=lambda: Trouble("timeout", "nothing was asked"))
    outcome: Outcome | None = None


class Asker:
    """Asks, waits and asks again. Lives in one event loop."""

    def __init__(
        self,
        send: Callable[..., Awaitable[Any]],
        place: Place,
        key: str | None,
        settings: RemoteSettings,
        budget: Budget | None,
    ) -> None:
        self._send = send
        self._place = place
        self._key = key
        self._settings = settings
        self._budget = budget
        self.pace = Pace(settings.concurrency)
        self._dice = random.Random()

    async def ask(self, question: Mapping[str, Any], most: float | None) -> Outcome:
        """One answer or one reason, within the deadline from its first sending."""
        asking = _Asking(question, most)
        if not await self._admitted(asking):
            return self._given_up(asking)
        try:
            async with asyncio.timeout(self._settings.deadline_s):
                while (wait := await self._tried(asking)) is not None:
                    await asyncio.sleep(wait)
                    if not await self._admitted(asking):
                        break
        except TimeoutError:
            asking.last = self._late(asking)
        return asking.outcome or self._given_up(asking)

    async def _admitted(self, asking: _Asking) -> bool:
        """Takes a place and the money; False where there will be no money."""
        asking.entered = await self.pace.enter(again=asking.tries > 0)
        if self._budget is None:
            return True
        verdict = "no"
        try:
            while (verdict := self._budget.reserve(asking.most or 0.0)) == "wait":
                await asyncio.sleep(POLL_S)
        finally:
            if verdict != "yes":
                self.pace.leave()
        asking.entered = asyncio.get_running_loop().time()
        if verdict == "no":
            asking.last = Trouble("budget", self._too_little(self._budget, asking))
        return verdict == "yes"

    def _too_little(self, budget: Budget, asking: _Asking) -> str:
        """Most requests cost less than they may, so some of a budget is always left: hence both sums."""
        paid, last = budget.account.dollars, f" The last try: {asking.last.reason}" if asking.tries else ""
        state = "is spent" if paid else "is too small"
        sums = f"{paid:.2g} so far, and the next request may cost {asking.most or 0.0:.2g}"
        return f"The budget of {budget.dollars or 0:g} dollars {state}. It was {sums}.{last}"

    async def _tried(self, asking: _Asking) -> float | None:
        """Asks once; how long to wait before the next time, or None where there is none."""
        asking.tries += 1
        paid: float | None = None
        lost = True
        try:
            async with asyncio.timeout(self._settings.try_s):
                response = await self._send(**asking.question)
            asking.outcome = self._read(asking, response)
            paid, lost = asking.outcome.dollars, False
        except TimeoutError:
            reason = f"No whole answer within {self._settings.try_s:g} s."
            asking.last = Trouble("timeout", reason, again=True, lost=True)
        # Libraries below raise what they like for a server that answers nonsense: TypeError, AttributeError, ...
        except Exception as error:
            asking.last = trouble(error)
            lost = asking.last.lost
        finally:
            # A try that the deadline ends comes through here too: it may be charged.
            self._settle(asking, paid, lost)
            self.pace.leave()
        if asking.outcome is not None:
            self.pace.went_well()
            return None
        return self._next_wait(asking)

    def _read(self, asking: _Asking, response: Any) -> Outcome:
        answer = read_answer(self._place, response, asking.question.get("stop", ()))
        usage = read_usage(response)
        cost = None if usage is None else dollars(self._place, self._settings.price, usage)
        text = scrub(answer.text, self._key)
        return Outcome(
            Answer(text, answer.end, answer.tokens),
            tries=asking.tries,
            prompt_tokens=None if usage is None else usage.prompt,
            dollars=cost,
        )

    def _settle(self, asking: _Asking, paid: float | None, lost: bool) -> None:
        asking.lost = asking.lost or lost
        if self._budget is None:
            return
        tokens = 0
        if asking.outcome is not None and asking.outcome.answer is not None:
            tokens = (asking.outcome.prompt_tokens or 0) + (asking.outcome.answer.tokens or 0)
            # An answer whose cost is not told counts as the most it can have cost.
            paid = asking.most if paid is None else paid
        else:
            paid = asking.most if lost else 0.0
        self._budget.settle(asking.most or 0.0, paid, lost=lost, tokens=tokens)

    def _next_wait(self, asking: _Asking) -> float | None:
        last, settings = asking.last, self._settings
        if last.filtered:
            asking.outcome = Outcome(Answer("", "filter"), tries=asking.tries)
            return None
        asked = last.wait or 0.0
        if last.slow:
            # Who asks for more than that is not waited for: a day's quota is used up, and the others shall hear so.
            self.pace.too_much(asking.entered, asked if asked <= settings.wait_s else 0.0)
        if not last.again or asking.tries >= settings.tries or asked > settings.wait_s:
            return None
        jitter = self._dice.uniform(0.0, min(settings.wait_s, settings.first_wait_s * 2 ** (asking.tries - 1)))
        return asked + jitter

    def _late(self, asking: _Asking) -> Trouble:
        """The deadline has passed: of the service's rate where that was what it last said, else of time."""
        lack: Lack = "rate" if asking.last.lack == "rate" else "timeout"
        last = f" The last try: {asking.last.reason}" if asking.last.reason != "nothing was asked" else ""
        return Trouble(lack, f"No answer within {self._settings.deadline_s:g} s.{last}")

    def _given_up(self, asking: _Asking) -> Outcome:
        last = asking.last
        reason = short(last.reason, self._key) or "no reason was given"
        cost = None if asking.lost and self._settings.price != Price(0, 0) else 0.0
        return Outcome(None, replace(last, reason=reason), asking.tries, dollars=cost)
