"""What was promoted goes back byte for byte, whatever the values: on the store in memory and on the emulator."""

from __future__ import annotations

import random

import pytest
from penstock.core.batch import Status
from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.diff import result_of
from penstock.core.plan import Batch
from penstock.core.promotion import promoted, ready_of, stamp_of, write_of
from penstock.core.records import Set
from penstock.core.reversal import Choice, reverse
from penstock.core.values import Data, Timestamp, Vector, dumps, get_in, set_in
from penstock.pipelines.schema import FOLDER, load
from penstock.ports import Store
from test_values_kept import EXACT

POLES = load(FOLDER / "fibre_network.yaml").entity("poles")
RECORDS = 60
WHOLE = Choice()
MOMENT = Timestamp(1_750_000_000)
BATCH = Batch("b1", "p", "p.t", "sync", Status.APPLYING, MOMENT, MOMENT, "schedule", decided_at=MOMENT)


def document(dice: random.Random, deep: int = 2) -> Data:
    """Some of every kind of value, maps and lists of them, empty ones included, under names of every kind."""
    names = dice.sample([*(f.target[0] for f in POLES.fields), "crew", "a.b", "c d", "$time", "tower"], dice.randint(0, 8))
    data: Data = {}
    for name in names:
        match dice.randrange(8):
            case 0 if deep:
                data[name] = document(dice, deep - 1)
            case 1:
                data[name] = [value for value in dice.sample(list(EXACT.values()), 3) if not isinstance(value, list | Vector)]
            case _:
                data[name] = dice.choice(list(EXACT.values()))
    return data


def change(dice: random.Random, number: int, was: Data | None, at: Timestamp | None) -> Change:
    """A create, an update of some fields, or a delete."""
    key, path = f"poles/{number}", f"planned-poles/{number}"
    if was is None:
        made = document(dice)
        return Change(key, "poles", key, path, Action.CREATE, None, None, made, (), "f")
    if dice.randrange(4) == 0:
        return Change(key, "poles", key, path, Action.DELETE, was, at, None, (), "f")
    after: Data = {}
    diff = []
    for field in dice.sample(POLES.fields, 4):
        value = dice.choice([v for v in EXACT.values() if v is not None] + [None])
        diff.append(FieldDiff(field.target, get_in(was, field.target), value))
        if value is not None:
            set_in(after, field.target, value)
    return Change(key, "poles", key, path, Action.UPDATE, was, at, after, tuple(diff), "f")


@pytest.mark.parametrize("seed", range(4))
def test_every_value_goes_back_in_every_bit_and_forth_and_back_again(store: Store, seed: int) -> None:
    dice = random.Random(seed)
    before = {n: None if dice.randrange(4) == 0 else document(dice) for n in range(RECORDS)}
    at = store.commit([Set(f"planned-poles/{n}", data) for n, data in before.items() if data is not None])
    changes = [change(dice, n, data, None if data is None else at) for n, data in before.items()]
    stamp = stamp_of(BATCH, at)
    images = [standing(store), promote(store, changes, stamp)]
    assert images[0] == {f"{n}": None if data is None else dumps(data) for n, data in before.items()}
    expected = [None if c.action is Action.DELETE else dumps(promoted(c, POLES, stamp)) for c in changes]
    assert list(images[1].values()) == expected
    for turn in range(4):
        now = store.get([c.path for c in changes])
        found = [reverse("b1", c, stamp, POLES, n, WHOLE) for c, n in zip(changes, now, strict=True)]
        assert not any(r.later for r in found)
        undone = {c.key for c in changes}
        changes = [r.change for r in found if r.change is not None]
        assert undone == {c.key for c in changes}, "every change made a difference"
        assert promote(store, changes, {}) == images[turn % 2]
        stamp = {}


@pytest.mark.parametrize("seed", range(4))
def test_what_others_wrote_since_is_written_back_in_every_bit(store: Store, seed: int) -> None:
    dice = random.Random(seed)
    before = {n: document(dice) for n in range(RECORDS)}
    at = store.commit([Set(f"planned-poles/{n}", data) for n, data in before.items()])
    changes = [c for n, data in before.items() if (c := change(dice, n, data, at)).action is Action.UPDATE]
    stamp = stamp_of(BATCH, at)
    promote(store, changes, stamp)
    edits = {c.path: {"theirs": dict(EXACT), "their list": [b"", 1.0, None]} for c in changes}
    edited = {c.path: promoted(c, POLES, stamp) | edits[c.path] for c in changes}
    store.commit([Set(path, data) for path, data in edited.items()])
    found = [reverse("b1", c, stamp, POLES, n, WHOLE) for c, n in zip(changes, store.get([c.path for c in changes]), strict=True)]
    back = [r.change for r in found if r.change is not None]
    assert back
    promote(store, back, {})
    for c, n in zip(changes, store.get([c.path for c in changes]), strict=True):
        assert dumps(n.fields) == dumps((c.before or {}) | edits[c.path])


def promote(store: Store, changes: list[Change], stamp: Data) -> dict[str, str | None]:
    """In one commit, as a pack; then all of production."""
    store.commit([write_of(ready_of(c, POLES, store.prepare), stamp) for c in changes])
    for c, now in zip(changes, store.get([c.path for c in changes]), strict=True):
        if "undoes" in c.facts:
            assert dumps(now.fields) == dumps(result_of(c, None))
    return standing(store)


def standing(store: Store) -> dict[str, str | None]:
    found = store.get([f"planned-poles/{n}" for n in range(RECORDS)])
    return {s.id: None if s.data is None else dumps(s.data) for s in found}
