from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core import packs
from penstock.core.changes import Action, Change, FieldDiff, Finding
from penstock.core.packs import (
    Draft,
    Packer,
    Ready,
    compress,
    decode_changes,
    decode_findings,
    decode_ready,
    digest_of,
    encode_findings,
    encode_ready,
    expand,
)
from penstock.core.records import Prepared
from penstock.core.tree import Place
from penstock.core.values import GeoPoint, Timestamp

AT = Timestamp(1_790_000_000, 123_456_000)


def change(n: int, action: Action = Action.CREATE, group: str = "g", text: str = "x") -> Change:
    after = None if action is Action.DELETE else {"a": {"b": text, "empty": {}}, "n": n, "at": AT, "p": GeoPoint(1.0, -2.5)}
    before = None if action is Action.CREATE else {"n": n, "old": [1, {"x": b"\x00"}]}
    if action is Action.CREATE:
        said = [(("a", "b"), text), (("a", "empty"), {}), (("at",), AT), (("n",), n), (("p",), GeoPoint(1.0, -2.5))]
        diff = tuple(FieldDiff(path, None, value) for path, value in said)
    else:
        diff = (FieldDiff(("n",), n, n + 1), FieldDiff(("dotted.name", "x"), None, [1.0, None], passive=True))
    planned = None if before is None else AT
    return Change(f"e/{n}", "e", group, f"c/{n}", action, before, planned, after, diff, f"{n:016x}", {"rows": 2})


def packed(*groups: list[Change]) -> list[Draft]:
    packer = Packer()
    return [draft for group in groups for draft in packer.add(group)] + list(packer.rest())


@pytest.mark.parametrize("action", list(Action))
def test_a_change_comes_back_as_it_was(action: Action) -> None:
    (draft,) = packed([change(7, action)])
    assert decode_changes(expand(compress(draft.text))) == [change(7, action)]


def test_a_group_stays_in_one_pack_and_a_pack_holds_at_most_so_many() -> None:
    groups = [[change(n * 100 + i, group=f"g{n}") for i in range(60)] for n in range(10)]
    drafts = packed(*groups)
    assert [len(d.keys) for d in drafts] == [300, 300]
    assert [d.number for d in drafts] == [0, 1]
    homes = [{c.group for c in decode_changes(d.text)} for d in drafts]
    assert not homes[0] & homes[1]


def test_a_group_too_large_for_any_pack_is_cut_and_nothing_is_lost() -> None:
    drafts = packed([change(n) for n in range(600)])
    assert [key for d in drafts for key in d.keys] == [f"e/{n}" for n in range(600)]
    assert max(len(d.keys) for d in drafts) == packs.MAX_CHANGES


def test_a_pack_stays_under_its_bytes() -> None:
    drafts = packed(*[[change(n, text="ä" * 20_000)] for n in range(60)])
    assert all(len(d.text.encode()) <= packs.MAX_BYTES + 2 for d in drafts)
    assert sum(len(d.keys) for d in drafts) == 60


def test_nothing_makes_no_pack() -> None:
    assert packed() == []


@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5), max_size=8))
def test_counts_keys_and_text_agree(shape: list[list[int]]) -> None:
    numbers = count(1)
    groups = [[change(next(numbers), list(Action)[size % 3]) for size in sizes] for sizes in shape]
    for draft in packed(*groups):
        found = decode_changes(draft.text)
        assert tuple(c.key for c in found) == draft.keys
        assert sum(draft.counts.values()) == len(found)
        assert draft.digest == digest_of(draft.text)


def test_equal_changes_make_equal_digests_and_any_other_value_another() -> None:
    def of(text: str) -> str:
        return packed([change(1, text=text)])[0].digest

    assert of("x") == of("x") != of("y")


def test_findings_come_back_as_they_were() -> None:
    found = [
        Finding("moved", "warning", "e/1", "g", "7 m → 9 m", "Look.", "location.latitude"),
        Finding("mass_change", "blocker", "", "", "many", "Decide.", "pon", (("1", "2", 3), ("", "x", 1))),
    ]
    assert decode_findings(encode_findings(found)) == found
    assert decode_findings(encode_findings([])) == []


def test_what_is_ready_comes_back_as_it_was() -> None:
    prepared = [Prepared(b"\x00\n{", b"mask", b"\n\n"), None, Prepared(b"", b"\n")]
    places = [Place("create", 2, "np", "np.ä"), None, Place("move", 1, "", "x")]
    made = [
        Ready(f"e/{n}", "e", "g\nä", f"c/{n}", action, ("a.b",), AT if n else None, body, places[n])
        for n, (action, body) in enumerate(zip(Action, prepared, strict=True))
    ]
    assert decode_ready(encode_ready(made)) == made
    assert decode_ready(encode_ready([])) == []
