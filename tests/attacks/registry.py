"""Every attack that is tried, each with the guard that stands against it.

    @attack(SECTION, guard="the code beside the link", without=replaced("penstock.core.tokens.same_code", lambda *_: True))
    def whoever_has_the_link_alone_decides(lab: Lab) -> object:
        seen = lab.review()
        lab.send(seen, code=WRONG)
        return lab.batch(seen).decisions

An attack gives what it gained: nothing (anything false) where it was held, else what got through. Each is tried twice: on the
product as it is, where it must gain nothing; and as its control with the guard taken out, where it must gain something, for an
attack that gains nothing even then proves nothing.

What an attack reaches over HTTP is `lab.url(function)` (see `lab.py`): functions of their own processes on Google's emulators;
in a control the same `functions/main.py`, served over HTTP by this process on the same databases, so that `without` can take the
guard out of it; it is given a `pytest.MonkeyPatch` that is undone afterwards. A guard that is pure is called directly.

To add a section, write a module beside this one and name it in `MODULES`. `tests/attacks/test_attacks.py` runs each case as a
test, `scripts/prove attacks` all of them as a proof."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import pytest
from attacks.lab import Lab

MODULES = ("token_and_link", "scanners", "flow", "injection", "privacy", "endpoints", "authorisation", "programs")

Without = Callable[[pytest.MonkeyPatch], Any]


@dataclass(frozen=True, slots=True)
class Case:
    section: str
    guard: str
    without: Without
    tried: Callable[[Lab], object]

    @property
    def name(self) -> str:
        return self.tried.__name__

    def gained(self, lab: Lab) -> object:
        """What the attack gains of the product as it is: nothing, or there is a hole."""
        return self.tried(lab)

    def gained_without_the_guard(self, lab: Lab) -> object:
        with pytest.MonkeyPatch.context() as patch, lab.twin(patch):
            self.without(patch)
            return self.tried(lab)


_cases: list[Case] = []


def attack(section: str, *, guard: str, without: Without) -> Callable[[Callable[[Lab], object]], Callable[[Lab], object]]:
    """Register an attack; its name says what would happen if it got through."""

    def registered(tried: Callable[[Lab], object]) -> Callable[[Lab], object]:
        if any(case.name == tried.__name__ for case in _cases):
            raise ValueError(f"there are two attacks named {tried.__name__}")
        _cases.append(Case(section, guard, without, tried))
        return tried

    return registered


def replaced(name: str, by: object) -> Without:
    """Takes a guard out by putting `by` in the place of `package.module.name`."""
    return lambda patch: patch.setattr(name, by)


def both(*ways: Without) -> Without:
    """Takes out a guard that stands in more than one place."""

    def out(patch: pytest.MonkeyPatch) -> None:
        for way in ways:
            way(patch)

    return out


def cases() -> list[Case]:
    """All of them, by section."""
    for name in MODULES:
        importlib.import_module(f"attacks.{name}")
    return list(_cases)


def violations(of: Iterable[Case], lab: Lab) -> list[str]:
    """What is wrong: attacks that got through, controls that would not have shown it, and what could not be tried."""
    found = []
    for case in of:
        named = f"{case.section}: {case.name}"
        try:
            if gained := case.gained(lab):
                found.append(f"{named} got through {case.guard}: {str(gained)[:300]}")
            if not case.gained_without_the_guard(lab):
                found.append(f"{named} gains nothing without {case.guard} either, so it proves nothing")
        except Exception as error:  # noqa: BLE001 - told as a violation; the others are tried all the same
            found.append(f"{named} could not be tried: {error!r}")
    return found
