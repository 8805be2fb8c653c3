"""Production is searched in two ways, by what is cheaper, and either finds the same document."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st
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
