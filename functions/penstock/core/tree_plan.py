"""Where the records of a tree are to stand: from what the source says is above each, and from the paths that production has now.

A record whose place cannot be told is held back, and never becomes a root instead: nobody knows where it belongs."""

from __future__ import annotations

from collections.abc import Collection, Container, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from penstock.core.changes import Change, FieldDiff, Finding
from penstock.core.declaration import Entity
from penstock.core.diff import value_fingerprint
from penstock.core.findings import listed
from penstock.core.placing import leads_to
from penstock.core.projection import Projected
from penstock.core.records import Snapshot
from penstock.core.rings import rings
from penstock.core.tree import DOT, Place, joined, owns, step_of
from penstock.core.values import Value, dotted, get_in

Why: TypeAlias = Literal[
    "unknown", "gone", "declined", "target's own above", "pathless above", "held above", "no level", "levels", "no root", "cycle",
    "rivals", "target's own", "another's document", "dot", "too large",
]  # fmt: skip
RULE = "held_back"

_SOURCE = "Correct it in the source."
_TOLD: dict[Why, tuple[str, str]] = {
    "unknown": ("name a record above that neither production nor this run has", f"{_SOURCE[:-1]}, or add what is missing there."),
    "gone": ("hang under one that is gone from the source", _SOURCE),
    "declined": ("hang under one that was declined", "`penstock forget TARGET KEY` lets that one be proposed again."),
    "target's own above": ("would hang under one of the target's own", "Give the target's own another key or document id."),
    "pathless above": ("hang under one whose path is not known", "A full run mends it: `penstock run PIPELINE --full`."),
    "held above": ("hang under one that is held back itself", "Look why that one is."),
    "no level": ("have no level, or one that their tree does not have", _SOURCE),
    "levels": ("do not lie a level below what they hang under", _SOURCE),
    "no root": ("name nothing above them, and only level 1 stands by itself", _SOURCE),
    "cycle": ("would stand below themselves", _SOURCE),
    "rivals": ("are claimed by several source records", _SOURCE),
    "target's own": ("are the target's own, which no run writes", "Mark them as the source's, or give them another key."),
    "another's document": ("have a document id that another record has", "Give one of the two another document id."),
    "dot": ("have a document id with a dot, which a path cannot hold", "Give them a document id without one."),
    "too large": ("would move with more below them than one commit takes", "Move it in parts: what lies below it first."),
}
WHYS: tuple[Why, ...] = get_args(Why)
assert set(_TOLD) == set(WHYS)


class Kept(NamedTuple):
    """Why a record is held back; `above`: the key that it names, where that is at issue."""

    why: Why
    above: str = ""


class Stand(NamedTuple):
    """A record that others may hang under."""

    id: str
    level: int


class News(NamedTuple):
    """A record of the tree as a run takes it up. `outcome`: the change of its mapped fields; None: there is none. `compared`: its
    place is held against what is above it also where nothing of it changes."""

    projected: Projected
    document: Snapshot  # of production, present or absent
    outcome: Change | None
    compared: bool = False
    rivals: bool = False

    @property
    def key(self) -> str:
        return self.projected.key


def path_of(entity: Entity, document: Snapshot) -> str:
    """The path that production has of a document; "" where it has none."""
    assert entity.tree is not None
    return str(get_in(document.fields, entity.tree.path) or "")


def place_now(entity: Entity, change: Change) -> Place:
    """The place of a change that leaves its record where it is."""
    tree, data = entity.tree, change.before or {}
    assert tree is not None
    path = str(get_in(data, tree.path) or "")
    level = next(d.after for d in change.diff if d.path == tree.level) if tree.level in change.mask else get_in(data, tree.level)
    return Place(step_of(entity, change), _whole_number(level) or path.count(DOT) + 1, str(get_in(data, tree.parent) or ""), path)


def _whole_number(value: Value) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


class Planting:
    """Places the news of one run. `above`: production's documents, by key, for the records named above that are no news;
    `declined`: keys that were declined; `gone`: keys that the source no longer has; `too_large`: keys whose move no commit takes.
    Settled once, by `settle`; then `held` says who is held back."""

    def __init__(
        self,
        entity: Entity,
        news: Sequence[News],
        above: Mapping[str, Snapshot],
        declined: Container[str] = (),
        gone: Collection[str] = (),
        too_large: Collection[str] = (),
    ) -> None:
        assert entity.tree is not None
        assert entity.parent is not None
        self._entity, self._tree, self._link = entity, entity.tree, entity.parent.field
        self._deepest = max(levels.official for levels in (entity.tree.levels, *entity.tree.levels_of.values()))
        self._news = {n.key: n for n in news}
        self._above, self._declined, self._gone, self._too_large = above, declined, gone, too_large
        self._paths = {n.key: path_of(entity, n.document) for n in news}  # as production has them
        self._by_path = {path: key for key, path in self._paths.items() if path and leads_to(path, self._news[key].document.id)}
        self.held: dict[str, Kept] = {}
        self._named = {n.key: named_above(entity, n) for n in news}
        self._settled: set[str] = set()
        self._on_the_way: list[str] = []
        self._final: dict[str, str] = {}
        self._first: dict[str, str] = {}

    def settle(self) -> Planting:
        """Rings first, then from the root down: however many hang under each other, little of it is on the way at once."""
        kept = {key: self._why_itself(news) for key, news in self._news.items()}
        self.held = {key: why for key, why in kept.items() if why is not None}
        for ring in rings({key: named for key, named in self._named.items() if named and key not in self.held}):
            self._hold_circle(ring)
        for key in self._news:
            for upper in reversed(self._way_up(key)):
                self._settle(upper)
        return self

    def _way_up(self, key: str) -> list[str]:
        """The record and those above it, as the news name them, that are not settled yet."""
        way: dict[str, None] = {}
        here: str | None = key
        while here in self._news and here not in way and here not in self._settled:
            way[here] = None
            here = None if here in self.held else self._named[here]
        return list(way)

    def _settle(self, key: str) -> None:
        """Decide whether a record is held back, after all that its place depends on."""
        if key in self._settled:
            return
        if key in self._on_the_way:
            self._hold_circle(self._on_the_way[self._on_the_way.index(key) :])
            return
        self._on_the_way.append(key)
        news = self._news[key]
        if key not in self.held and (why := self._why(news)) is not None:
            self.held.setdefault(key, why)
        if key in self.held or self._named[news.key] is None:
            self._settle_above(self._paths[key])
        self._on_the_way.pop()
        self._settled.add(key)

    def _hold_circle(self, circle: Sequence[str]) -> None:
        """Those that a circle consists of; who only stands in it as production has it is not to blame."""
        moved = [key for key in circle if _is_placed_anew(self._entity, self._news[key])]
        for key in moved or circle:
            self.held.setdefault(key, Kept("cycle"))

    def _why_itself(self, news: News) -> Kept | None:
        """Why a record is held back whatever it is to hang under."""
        data, exists = news.document.fields, news.document.exists
        if news.rivals:
            return Kept("rivals")
        if exists and not owns(self._tree, data):
            return Kept("target's own")
        if exists and get_in(data, self._entity.key) not in (None, news.key):
            return Kept("another's document")
        if DOT in news.document.id:
            return Kept("dot")
        if news.key in self._too_large:
            return Kept("too large")
        return None

    def _why(self, news: News) -> Kept | None:
        """Why a record cannot hang under what it names."""
        named = self._named[news.key]
        if named is None or (news.outcome is None and not news.document.exists):
            return None
        level = self._level(news)
        if not 1 <= level <= self._deepest:
            return Kept("no level")
        if not named:
            return None if level == 1 else Kept("no root")
        above = self._stands(named)
        if isinstance(above, Kept):
            return above
        return None if above.level < level else Kept("levels", named)

    def _level(self, news: News) -> int:
        """As it will be; 0 where it has none."""
        tree, document = self._tree, news.document
        said = get_in(news.outcome.after or {}, tree.level) if news.outcome else None
        return _whole_number(said if said is not None else get_in(document.fields, tree.level))

    def _stands(self, key: str) -> Stand | Kept:
        """What a record hangs under, or why it cannot."""
        if key in self._gone:
            return Kept("gone", key)
        news = self._news.get(key)
        if news is None:
            return self._stands_in_production(key, self._above[key], "pathless above")
        self._settle(key)
        if key not in self.held and (news.outcome is not None or news.document.exists):
            return Stand(news.document.id, self._level(news))
        kept = self.held.get(key)
        if kept is None or not news.document.exists:
            return Kept("declined" if kept is None else "held above", key)
        return self._stands_in_production(key, news.document, "held above")

    def _stands_in_production(self, key: str, document: Snapshot, pathless: Why) -> Stand | Kept:
        data = document.fields
        if not document.exists:
            return Kept("declined" if key in self._declined else "unknown", key)
        if not owns(self._tree, data):
            return Kept("target's own above", key)
        if get_in(data, self._entity.key) not in (None, key):
            return Kept("unknown", key)
        path = path_of(self._entity, document)
        if not path:
            return Kept(pathless, key)
        self._settle_above(path)
        return Stand(document.id, _whole_number(get_in(data, self._tree.level)) or path.count(DOT) + 1)

    def _settle_above(self, path: str) -> None:
        """What stands at a path goes along with the lowest news above it."""
        key = self._lowest_above(path)
        if key is not None:
            self._settle(key)

    def _lowest_above(self, path: str) -> str | None:
        while path := path.rpartition(DOT)[0]:
            if path in self._by_path:
                return self._by_path[path]
        return None

    def _followed(self, path: str) -> str:
        """A path of production once everything has moved, if what stands there only follows."""
        key = self._lowest_above(path)
        if key is None:
            return path
        return self._path_after(key) + path[len(self._paths[key]) :]

    def _path_after(self, key: str) -> str:
        """Where a record stands once everything has moved."""
        if key not in self._final:
            news = self._news.get(key)
            document = self._document(key)
            named = None if news is None or key in self.held else self._named[news.key]
            if named is None:
                self._final[key] = self._followed(path_of(self._entity, document))
            else:
                self._final[key] = joined(self._path_after(named) if named else "", document.id)
        return self._final[key]

    def _path_before(self, key: str) -> str:
        """Where a record stands before anything has moved: what is new comes to where its parent is then."""
        if key not in self._first:
            news = self._news.get(key)
            path = self._paths[key] if news is not None else path_of(self._entity, self._above[key])
            if news is not None and not path:
                named = self._named[key]
                path = joined(self._path_before(named) if named else "", news.document.id)
            self._first[key] = path
        return self._first[key]

    def worked_out(self, key: str) -> list[FieldDiff]:
        """What is to be written of a record's place, beside its mapped fields."""
        news, tree = self._news[key], self._tree
        named = self._named[news.key]
        if named is None:
            return []
        data, path = news.document.fields, self._paths[key]
        id_above = self._document(named).id if named else None
        wanted = self._path_after(key) if path else self._path_before(key)
        own = [] if news.document.exists else [FieldDiff(tree.own[0], None, tree.own[1])]
        held = get_in(data, tree.parent)
        if held != id_above or (self._followed(path) if path else "") != wanted:
            parent = [] if held == id_above else [FieldDiff(tree.parent, held, id_above)]
            return [*own, *parent, *([] if path == wanted else [FieldDiff(tree.path, path or None, wanted)])]
        return own

    def is_above_in_production(self, key: str) -> bool:
        """Whether what a record is to hang under is there already."""
        named = self._named[key]
        return bool(named and self._document(named).exists)

    def _document(self, key: str) -> Snapshot:
        return self._news[key].document if key in self._news else self._above[key]

    def placed(self, key: str, change: Change) -> Change:
        """The change with its place, once `worked_out` is part of it."""
        news = self._news[key]
        if change.diff and (named := self._named[news.key]) is not None:
            step, level = step_of(self._entity, change), self._level(news)
            path = self._paths[key]
            wanted = self._path_after(key) if step == "move" else path or self._path_before(key)
            place = Place(step, level, self._document(named).id if named else "", wanted)
        else:
            place = place_now(self._entity, change)
        return change._replace(facts={**change.facts, "place": place})


def _is_placed_anew(entity: Entity, news: News) -> bool:
    """Whether the source says that a record hangs under another than production has, or that it is new."""
    assert entity.parent is not None
    return news.outcome is not None and (not news.document.exists or entity.parent.field in news.outcome.mask)


def named_above(entity: Entity, news: News) -> str | None:
    """The key of the record that this one is to hang under, "" for none. None where it stays where it is: nothing says otherwise,
    and what production says of its place agrees with itself."""
    assert entity.parent is not None
    data = news.document.fields
    if _is_placed_anew(entity, news):
        assert news.outcome is not None
        data = news.outcome.after or {}
    elif not (news.document.exists and (news.compared or _is_in_question(entity, news))):
        return None
    return str(get_in(data, entity.parent.field) or "")


def _is_in_question(entity: Entity, news: News) -> bool:
    """Whether a record changes its level, or its path does not end in what it hangs under and itself."""
    assert entity.tree is not None
    if news.outcome is not None and entity.tree.level in news.outcome.mask:
        return True
    above = str(get_in(news.document.fields, entity.tree.parent) or "")
    return path_of(entity, news.document).split(DOT)[-2:] != [*filter(None, [above]), news.document.id]


def is_declined(entity: Entity, change: Change | None, worked: Sequence[FieldDiff], said: Mapping[str, str]) -> bool:
    """Whether a person said no before to what was worked out of a record's place. That it hangs under another than before is no
    matter of its own: what counts is what was said of the field that the source names it by."""
    assert entity.tree is not None
    assert entity.parent is not None
    if change is not None and (not change.before or entity.parent.field in change.mask):
        return False
    print = said.get(dotted(entity.tree.path), "")
    return any(d.path == entity.tree.path and value_fingerprint(d.after) == print for d in worked)


def without_place(entity: Entity, said: Mapping[str, str]) -> dict[str, str]:
    """What was declined of the mapped fields of a record."""
    assert entity.tree is not None
    place = dotted(entity.tree.path), dotted(entity.tree.parent)
    return {name: print for name, print in said.items() if name not in place}


def told(entity: str, held: Mapping[Why, Sequence[str]]) -> Iterator[Finding]:
    """What people should know of the records that were held back, by reason."""
    for why in WHYS:
        if keys := held.get(why):
            what, remedy = _TOLD[why]
            text = f"Held back, nothing is proposed for them: {len(keys)} {entity} that {what}: {listed(keys, 20)}."
            yield Finding(RULE, "warning", "", "", text, f"{remedy} They are planned again with the next news.")
