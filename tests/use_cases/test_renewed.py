"""What a target takes of a release is what reading all of it would give, whatever the target dealt with before."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from penstock.core.brakes import Seen
from penstock.core.codec import SourceState
from penstock.core.declaration import ChangeCursor
from penstock.core.manifest import Entry, Manifest
from penstock.core.records import Query, Snapshot, Where
from penstock.core.release import Document, Release, digest, encode
from penstock.core.values import Timestamp
from penstock.use_cases.looking import Look, Plan, Reading, Shared, plans
from penstock.use_cases.reading import scanned
from penstock.use_cases.release_store import ReleaseStore
from support.landlord import Landlord

(PLAN, _), *_ = plans(Landlord().ctx.pipeline)
(CURSOR,) = {PLAN.source.cursor}
AT = Timestamp(1_800_000_000)
IDS = st.sampled_from([f"XA-{n}" for n in range(6)])
MOMENTS = st.builds(Timestamp, st.sampled_from([1_700_000_000, 1_799_999_990, 1_800_000_000, 1_900_000_000]))
STAMPS = st.one_of(MOMENTS, st.none(), st.just("soon"), st.just([1]))
FIELDS = st.fixed_dictionaries({"names": st.sampled_from([{"en": "A"}, {"en": "B"}]), "updatedAt": STAMPS})
RECORDS = st.dictionaries(IDS, FIELDS)


def released(records: dict[str, dict[str, Any]], at: Timestamp) -> tuple[Release, dict[str, Document]]:
    found = {id: Document(fields, entry(id, fields, at)) for id, fields in records.items()}
    name = digest(encode(found))
    return Release(name, at, len(found), name), found


def entry(id: str, fields: dict[str, Any], at: Timestamp) -> Entry:
    return PLAN.entry(Snapshot(f"{PLAN.source.collection}/{id}", fields, at), None, at)


def read(plan: Plan, shared: Shared, known: Manifest, again: set[Any], *, as_shared: bool) -> tuple[list[list[str]], Reading]:
    state, seen = SourceState(Timestamp(1), 2, Timestamp(3)), Seen(3, ("names",), (), (), (), "")
    look = Look(plan, shared.store, Reading(state), seen=seen, shared=shared if as_shared else None)
    return [[record.id for record in group] for group in scanned(look, AT, known, again)], look.reading


@given(RECORDS, RECORDS, RECORDS, st.sets(IDS), st.sets(IDS))
@settings(max_examples=300, deadline=None)
def test_it_is_what_reading_all_of_it_gives(
    one: dict[str, Any], other: dict[str, Any], before: dict[str, Any], again: set[Any], grouped: set[str]
) -> None:
    assert isinstance(CURSOR, ChangeCursor)
    releases = dict([released(one, AT), released(other, AT.plus(1))])
    store = ReleaseStore(PLAN.source.collection, list(releases), releases.__getitem__)
    known = {id: entry(id, fields, AT) for id, fields in before.items()}
    known |= {id: known[id]._replace(group="another") for id in grouped & known.keys()}
    shared = Shared(store, {}, AT, dealt=False)
    took, of = read(PLAN, shared, Manifest({PLAN.source.name: known}), set(again), as_shared=True)
    every, whole = read(PLAN, shared, Manifest({PLAN.source.name: known}), set(again), as_shared=False)
    assert took == every
    assert of.entries == {id: whole.entries[id] for (id,) in took}
    assert all(entry[::2] == known[id][::2] for id, entry in whole.entries.items() if id not in of.entries)
    assert (of.gone, of.touched, of.undated, of.blank) == (whole.gone, whole.touched, whole.undated, whole.blank)
    assert (of.certificate, of.state) == (whole.certificate, whole.state)


def test_what_was_counted_is_told_again_of_the_same_question_alone() -> None:
    release, documents = released({f"XA-{n}": {"level": level} for n, level in enumerate((1, 1, True))}, AT)
    store = ReleaseStore(PLAN.source.collection, [release], lambda _: documents)

    def count(*where: Where) -> int:
        return store.count(Query(PLAN.source.collection, where))

    for _ in range(2):
        assert [count(), count(Where(("level",), "==", 1)), count(Where(("level",), "==", True))] == [3, 2, 1]
        assert count(Where(("level",), "in", [True])) == 1
