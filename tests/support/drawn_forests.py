"""Forests as properties draw them, and units of theirs that go."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st
from penstock.core.choices import CASCADE, reassign
from penstock.core.leaving import Goer, Home
from penstock.core.values import Data

from support.geography import custom, unit


@st.composite
def forests(draw: st.DrawFn) -> list[Data]:
    """Official units, some of them inactive, and the target's own under these and under each other."""
    found: list[Data] = []
    for n in range(draw(st.integers(2, 14))):
        above = draw(st.sampled_from([None, *(u for u in found if u["level"] < 7)]))
        path = f"{above['path']}.u{n}" if above else f"u{n}"
        own = bool(above) and (not above.get("official") or draw(st.integers(0, 2)) == 0)
        found.append(custom(path) if own else unit(path, active=draw(st.integers(0, 3)) > 0))
    return found


@st.composite
def goers(draw: st.DrawFn, forest: Sequence[Data]) -> list[Goer]:
    """Official units that go, each with a choice: what hangs below goes along, or moves to one that stays and is not below it."""
    official = [u for u in forest if u.get("official")]
    gone = draw(st.lists(st.sampled_from(official), unique_by=lambda u: str(u["path"]), max_size=4))
    found = []
    for u in gone:
        homes = [o for o in official if o not in gone and not o["path"].startswith(u["path"] + ".")]
        to = draw(st.sampled_from([None, *homes]))
        home = Home(to["path"].rpartition(".")[2], to["path"]) if to else None
        found.append(Goer(f"units/{u['landlordId']}", u["path"], reassign(home.id) if home else CASCADE, home))
    return found
