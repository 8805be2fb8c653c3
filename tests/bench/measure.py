"""Measuring on a machine that others use too: rivals take turns, and the median of the rounds counts."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median

WARM_UP = 2  # rounds; the emulator is a JVM


@dataclass(frozen=True)
class Ratio:
    """A measured figure and the bound it must keep: a floor, or a ceiling where `at_most`; None: it is only stated."""

    name: str
    value: float
    bound: float | None
    detail: str = ""
    at_most: bool = False

    @property
    def passed(self) -> bool:
        if self.bound is None:
            return True
        return self.value <= self.bound if self.at_most else self.value >= self.bound

    def __str__(self) -> str:
        if self.bound is None:
            return f"      {self.name:<52} {self.value:8.2f}           {self.detail}"
        sign = "≤" if self.at_most else "≥"
        verdict = "PASS" if self.passed else "FAIL"
        return f"{verdict}  {self.name:<52} {self.value:8.2f}  {sign} {self.bound:<6g} {self.detail}"


def alternate(
    rounds: int, cases: Mapping[str, Callable[[], object]], before: Callable[[], object] = lambda: None
) -> dict[str, list[float]]:
    """Seconds of each case in each round; every round runs all of them, in turn forwards and backwards. The first rounds warm
    up and do not count. `before` runs before each case, off the clock."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for number in range(-WARM_UP, rounds):
        for name, case in list(cases.items())[:: 1 if number % 2 else -1]:
            before()
            gc.collect()
            start = time.perf_counter()
            case()
            if number >= 0:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def faster(seconds: Mapping[str, list[float]], one: str, other: str) -> float:
    """How many times as fast `one` is as `other`: the median over the rounds."""
    return median(b / a for a, b in zip(seconds[one], seconds[other], strict=True))


def rates(seconds: Mapping[str, list[float]], things: int) -> str:
    """Things a second of each case, by its median."""
    return ", ".join(f"{name} {things / median(taken):,.0f}/s" for name, taken in seconds.items())
