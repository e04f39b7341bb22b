"""Embeddings that were computed not long ago."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Row: TypeAlias = npt.NDArray[np.float32]


class Recent:
    """Rows by key, the least recently used forgotten first once they take more than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._used = 0
        self._rows: OrderedDict[bytes, Row] = OrderedDict()

    def get(self, key: bytes) -> Row | None:
        row = self._rows.get(key)
        if row is not None:
            self._rows.move_to_end(key)
        return row

    def put(self, key: bytes, row: Row) -> None:
        """Remembers a copy of `row` under a key that has none yet."""
        own = row.copy()  # a view would keep its whole batch alive
        self._rows[key] = own
        self._used += own.nbytes + len(key)
        while self._used > self._limit:
            old, gone = self._rows.popitem(last=False)
            self._used -= gone.nbytes + len(old)

    def clear(self) -> None:
        """Forgets everything."""
        self._rows.clear()
        self._used = 0
