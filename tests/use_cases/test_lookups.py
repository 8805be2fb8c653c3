"""What rules ask of production is answered by the store as the lookup says it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core.rules import Below, Count, Find, Named
from penstock.core.rules.base import Lookup
from penstock.use_cases.check import _look_up
from support.world import World

POLES = "planned-poles"
PATHS = st.text("ab.-/~ 0", min_size=1, max_size=5)


def asked(documents: dict[str, dict[str, object]], *lookups: Lookup) -> list[object]:
    world = World()
    world.put(world.production, POLES, documents.items())
    answers = _look_up(world.ctx, "none", lookups)
    return [answers[lookup] for lookup in lookups]


@given(st.lists(PATHS, max_size=12), PATHS)
@settings(max_examples=60, deadline=None)
def test_below_a_path_lies_what_begins_with_it_and_a_dot(paths: list[str], path: str) -> None:
    documents = {f"d{n}": {"path": stored, "official": n % 2 == 0} for n, stored in enumerate(paths)}
    of_official = Below(POLES, ("path",), path, ((("official",), True),))
    every, official = asked(documents, Below(POLES, ("path",), path), of_official)
    below = [n for n, stored in enumerate(paths) if stored.startswith(path + ".")]
    assert every == len(below)
    assert official == sum(n % 2 == 0 for n in below)


def test_documents_are_found_by_several_fields_with_the_fields_asked_for_and_no_more_than_that() -> None:
    documents = {f"d{n}": {"code": f"c{n % 3}", "country": "np" if n < 6 else "in", "name": n} for n in range(9)}
    where = (("country",), "np"), (("code",), ("c0", "c1"))
    codes = Count(POLES, ("code",), ("c0", "c1"))
    found, some, count = asked(documents, Find(POLES, where, (("code",),), 10), Find(POLES, where, (("code",),), 3), codes)
    assert isinstance(found, tuple)
    assert isinstance(some, tuple)
    assert {s.id: s.data for s in found} == {f"d{n}": {"code": f"c{n % 3}"} for n in (0, 1, 3, 4)}
    assert [s.id for s in some] == [s.id for s in found[:3]]
    assert count == 6


def test_of_named_documents_those_are_given_that_are_there_with_the_fields_asked_for() -> None:
    documents = {f"d{n}": {"code": f"c{n}", "name": n} for n in range(400)}
    wanted = tuple(f"{POLES}/d{n}" for n in range(399, 700))
    (found,) = asked({"d399": documents["d399"]}, Named(wanted, (("code",),)))
    (every,) = asked(documents, Named(tuple(f"{POLES}/d{n}" for n in range(400)), (("code",),)))
    assert isinstance(found, tuple)
    assert isinstance(every, tuple)
    assert [(s.id, s.data) for s in found] == [("d399", {"code": "c399"})]
    assert len(every) == 400
