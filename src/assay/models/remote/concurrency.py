"""How much may be asked at once: additive increase, multiplicative decrease (Chiu and Jain 1989).

Lives in one event loop, whose thread alone may touch it.
"""

from __future__ import annotations

import asyncio
import heapq
from itertools import count


class Pace:
    """Lets in at most `limit` tries at once.

    `limit` halves when the service says it is too much, and grows by one for every `limit` tries that went well, up to
    `most`. Tries that were all under way together count as one warning, as losses within one round trip do in TCP.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self.running = 0
        self._waiting: list[tuple[bool, int, asyncio.Future[None]]] = []
        self._order = count()
        self._closed_until = 0.0
        self._shrunk_at = -1.0

    async def enter(self, *, again: bool) -> float:
        """Waits for a place; what was tried before goes before what is new. Returns the time of entry."""
        loop = asyncio.get_running_loop()
        place = loop.create_future()
        heapq.heappush(self._waiting, (not again, next(self._order), place))
        self._let_in()
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()
            raise
        return loop.time()

    def leave(self) -> None:
        """Gives the place back."""
        self.running -= 1
        self._let_in()

    def went_well(self) -> None:
        """Grows a little."""
        self.limit = min(float(self.most), self.limit + 1.0 / self.limit)
        self._let_in()

    def too_much(self, entered: float, wait: float) -> None:
        """Shrinks, and lets nobody in for `wait` seconds."""
        loop = asyncio.get_running_loop()
        if entered > self._shrunk_at:
            self.limit = max(1.0, self.limit / 2)
            self._shrunk_at = loop.time()
        if wait > 0 and loop.time() + wait > self._closed_until:
            self._closed_until = loop.time() + wait
            # A timer may fire a clock's tick early, and would then find the door still closed.
            loop.call_at(self._closed_until + 0.002, self._let_in)

    def _let_in(self) -> None:
        if asyncio.get_running_loop().time() < self._closed_until:
            return
        while self._waiting and self.running < int(self.limit):
            _, _, place = heapq.heappop(self._waiting)
            if not place.done():
                place.set_result(None)
                self.running += 1
