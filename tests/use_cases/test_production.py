"""Production is searched in two ways, by what is cheaper, and either finds the same document."""

from __future__ import annotations

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st
from penstock.core.rules import Count, Find
from penstock.use_cases.production import Asked, HeldWhole
from support.world import World

POLES = "planned-poles"
NAMES = st.sampled_from(["1", "2", "3", "None"])


@given(st.dictionaries(NAMES, st.none() | NAMES), st.sets(NAMES))
@example({"1": "3", "2": "3"}, {"3"})
@example({"1": "None"}, {"None"})
@settings(max_examples=100, deadline=None)
def test_asked_key_by_key_production_answers_as_read_whole(documents: dict[str, str | None], keys: set[str]) -> None:
    world = World()
    world.put(
        world.production, POLES, [(id, {"poleNumber": key} if key else {"note": "no key"}) for id, key in documents.items()]
    )
    entity, at = world.ctx.pipeline.entity("poles"), world.ports.now()
    whole = HeldWhole(world.ctx, [entity], at).match(entity, sorted(keys))
    asked = Asked(world.ctx, at).match(entity, sorted(keys))
    assert {k: (m.snapshot.path, m.by) for k, m in asked.items()} == {k: (m.snapshot.path, m.by) for k, m in whole.items()}


@given(st.dictionaries(NAMES, st.none() | NAMES), st.sets(NAMES), st.dictionaries(NAMES, NAMES))
@settings(max_examples=100, deadline=None)
def test_whatever_ids_were_known_a_key_is_found_where_it_is(
    documents: dict[str, str | None], keys: set[str], known: dict[str, str]
) -> None:
    """And with the document that it was known under, as long as that has the key."""
    world = World()
    world.put(
        world.production, POLES, [(id, {"poleNumber": key} if key else {"note": "no key"}) for id, key in documents.items()]
    )
    entity, at = world.ctx.pipeline.entity("poles"), world.ports.now()
    ids = {f"poles/{key}": id for key, id in known.items()}
    found = Asked(world.ctx, at, ids).match(entity, sorted(keys))
    plain = Asked(world.ctx, at).match(entity, sorted(keys))
    for key in keys:
        stays = known.get(key, key) != key and documents.get(known[key]) == key
        expected = (f"{POLES}/{known[key]}", "key") if stays else (plain[key].snapshot.path, plain[key].by)
        assert (found[key].snapshot.path, found[key].by) == expected


UNIT = st.fixed_dictionaries({"code": st.sampled_from(["a", "b"]), "level": st.integers(1, 2)}, optional={"up": NAMES})
ASKED = st.one_of(
    st.builds(Count, st.just(POLES), st.just(("up",)), NAMES | st.lists(NAMES, min_size=1, unique=True).map(tuple)),
    st.builds(
        lambda codes, level: Find(POLES, ((("level",), level), (("code",), tuple(codes))), (("code",),), 300),
        st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, unique=True),
        st.integers(1, 2),
    ),
)


@given(st.dictionaries(NAMES, UNIT), ASKED)
@settings(max_examples=100, deadline=None)
def test_what_was_read_whole_tells_how_many_a_rule_will_find(documents: dict[str, dict[str, Any]], asked: Count | Find) -> None:
    world = World()
    world.put(world.production, POLES, documents.items())
    at = world.ports.now()
    whole = HeldWhole(world.ctx, [world.ctx.pipeline.entity("poles")], at)
    assert whole.number(asked) == world.production.count(asked.query)
    assert Asked(world.ctx, at).number(asked) is None  # of what is no tree nothing is counted for that


def test_what_was_not_read_is_not_told() -> None:
    world = World()
    whole = HeldWhole(world.ctx, [world.ctx.pipeline.entity("poles")], world.ports.now())
    assert whole.number(Count("drops", ("poleNumber",), "1")) is None
