"""What was read, kept for a while: bounded, safe between threads, and read once however many ask at the same time."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Cache(Generic[K, V]):
    """At most `size` values, the one used longest ago goes first; none is given out `seconds` after its reading began."""

    def __init__(self, size: int, seconds: float, clock: Callable[[], float]) -> None:
        self._size, self._seconds, self._clock = size, seconds, clock
        self._lock = threading.Lock()
        self._kept: OrderedDict[K, tuple[float, V]] = OrderedDict()
        self._reading: dict[K, Future[V]] = {}

    def __len__(self) -> int:
        with self._lock:
            return len(self._kept)

    def held(self, key: K) -> V | None:
        """The value, if one is kept that is not too old."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            if self._clock() - found[0] >= self._seconds:
                del self._kept[key]
                return None
            self._kept.move_to_end(key)
            return found[1]

    def read(self, key: K, load: Callable[[], V], keep: Callable[[V], bool]) -> V:
        """The value read anew, and kept if it is to be. Whoever asks while another reads the same gets what that one reads, its
        error too."""
        with self._lock:
            going = self._reading.get(key)
            if going is None:
                mine = self._reading[key] = Future[V]()
        if going is not None:
            return going.result()
        began = self._clock()
        try:
            value = load()
        except BaseException as error:
            self._done(key)
            mine.set_exception(error)
            raise
        self._done(key)
        if keep(value):
            self._keep(key, began, value)
        else:
            self.forget(key)
        mine.set_result(value)
        return value

    def forget(self, key: K) -> None:
        with self._lock:
            self._kept.pop(key, None)

    def _done(self, key: K) -> None:
        with self._lock:
            del self._reading[key]

    def _keep(self, key: K, began: float, value: V) -> None:
        with self._lock:
            self._kept[key] = began, value
            self._kept.move_to_end(key)
            while len(self._kept) > self._size:
                self._kept.popitem(last=False)
