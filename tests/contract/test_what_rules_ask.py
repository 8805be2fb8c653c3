"""What the rules of a tree ask of production is answered as counting and looking by hand answers it."""

from __future__ import annotations

from penstock.core.records import Set
from penstock.core.rules import Below, Count, Find
from penstock.core.rules.base import Lookup
from penstock.ports import Store
from support.geography import MEMBERS, UNITS, answer, custom, member, stored, unit

DOCUMENTS = stored(
    unit("np"), unit("np-1"), unit("np.p"), unit("np.p.d"), unit("np.p.d.t", code="DUP"), unit("np.p.e", code="DUP"),
    unit("np.p.d.u", country="IN", code="DUP"), custom("np.p.d.t.k"), custom("np.p.k2"),
    members=[member("np.p.d"), member("np.p.d.t.k"), member("np-1")],
)  # fmt: skip
OFFICIAL = ((("official",), True),)
NAMES = ("country",), ("code",), ("names",)
ASKED: list[Lookup] = [
    *(Below(UNITS, ("path",), path) for path in ("np", "np.p", "np.p.d", "np-1", "n")),
    *(Below(UNITS, ("path",), path, OFFICIAL) for path in ("np", "np.p.d")),
    *(Below(MEMBERS, ("unitPath",), path) for path in ("np", "np.p.d.t")),
    Count(UNITS, ("parentId",), ("p", "d", "nobody")),
    Count(MEMBERS, ("unit3",), "d"),
    Find(UNITS, ((("country",), "NP"), (("level",), 3), (("code",), ("DUP", "P"))), NAMES, 10),
    Find(UNITS, ((("parentId",), ("d", "p")),), (("names",),), 3),
]


def test_every_question_has_the_answer_that_looking_at_every_document_gives(store: Store) -> None:
    store.commit([Set(path, data) for path, data in DOCUMENTS.items()])
    for asked in ASKED:
        if isinstance(asked, Find):
            by_hand = answer(asked, DOCUMENTS)
            assert isinstance(by_hand, tuple)
            found = {s.path: s.data for s in store.scan(asked.query)}
            assert found == {
                s.path: {field[0]: s.fields[field[0]] for field in asked.select if field[0] in s.fields} for s in by_hand
            }, asked
        else:
            assert isinstance(asked, Below | Count)
            assert store.count(asked.query) == answer(asked, DOCUMENTS), asked
