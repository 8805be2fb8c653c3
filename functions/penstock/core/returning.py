"""The way back of what a unit left behind when it went: whatever still is as it was left then goes back to where it was, what
somebody changed since stays, and is named."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.declaration import Dependents, Entity
from penstock.core.diff import TAKEN_OUT, with_value
from penstock.core.followers import Followed, followed, of_line
from penstock.core.layout import STAMP
from penstock.core.placing import leads_to
from penstock.core.records import Snapshot
from penstock.core.tree import DOT, joined
from penstock.core.values import FieldPath, Value, get_in

_MOVED = "belongs elsewhere by now"


@dataclass
class Returned:
    """`followed`: what is written; `kept`: documents that stay as they are, and why."""

    followed: list[Followed] = field(default_factory=list)
    kept: dict[str, str] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(f.kind for f in self.followed))


def needed(entity: Entity, places: Iterable[Dependents], lines: Iterable[Followed]) -> dict[str, tuple[FieldPath, ...]]:
    """By document: the fields that `put_back` must see of what was left behind, and of the units that it was and is at."""
    assert entity.tree is not None
    tree, by_kind = entity.tree, {of.name: of for of in places}
    collection = by_kind[entity.name].collection
    found: dict[str, tuple[FieldPath, ...]] = {}
    for line in lines:
        of = by_kind[line.kind]
        found[line.document] = tuple(dict.fromkeys([of.path, *of.chain, *line.fields]))
        for id in filter(None, (line.to, _was_at(of, line))):
            found.setdefault(f"{collection}/{id}", (tree.path,))
    return found


def _tail(of: Dependents, line: Followed) -> list[str]:
    """The ids of a document's path behind the unit that it moved to; none where that stored a path that was not its own."""
    ids = str(get_in(line.after, of.path)).split(DOT)
    return ids[ids.index(line.to) + 1 :] if line.to in ids else []


def _was_at(of: Dependents, line: Followed) -> str:
    """The unit of the source that it belonged to before; "" where it stayed."""
    if not line.to:
        return ""
    ids = str(get_in(line.before, of.path)).split(DOT)
    return ids[len(ids) - len(_tail(of, line)) - 1]


def left_for_good(places: Iterable[Dependents], lines: Iterable[Followed]) -> dict[str, str]:
    """By document that moved, and leaves as it returns: the unit that it is at; of a unit, itself."""
    by_kind = {of.name: of for of in places}
    paths = {line.document: str(get_in(line.after, by_kind[line.kind].path)) for line in lines if line.to}
    return {document: path.rpartition(DOT)[2] for document, path in paths.items()}


def absorbed(changes: Sequence[Change]) -> list[Change]:
    """The changes, and what returns with one and is changed by another made part of that: a document is written once."""
    by_path = {c.path: c for c in changes if c.action is Action.UPDATE}
    for change in changes:
        for line in map(of_line, change.facts.get("back", ())):
            if line.document in by_path:
                by_path[line.document] = _with(by_path[line.document], line)
    found = [by_path.get(c.path, c) for c in changes]
    return [_without(c, by_path) if "back" in c.facts else c for c in found]


def _with(change: Change, line: Followed) -> Change:
    assert change.before is not None
    assert change.after is not None
    after, diff = change.after, list(change.diff)
    for name in (f for f in line.fields if f not in change.mask and f[0] != STAMP):
        value = get_in(line.before, name, TAKEN_OUT)
        after = with_value(after, name, value)
        diff.append(FieldDiff(name, get_in(change.before, name), None if value is TAKEN_OUT else value))
    return change._replace(after=after, diff=tuple(diff))


def _without(change: Change, documents: Container[str]) -> Change:
    lines = [line for line in change.facts["back"] if line["path"] not in documents]
    facts = {name: value for name, value in change.facts.items() if name != "back"}
    return change._replace(facts=facts | ({"back": lines} if lines else {}))


def put_back(
    entity: Entity,
    places: Iterable[Dependents],
    lines: Iterable[Followed],
    live: Mapping[str, Snapshot],
    final: Callable[[str], str],
) -> Returned:
    """`live`: the documents that are `needed`. `final`: where a path as stored leads once all moves of the commit are made."""
    found, by_kind = Returned(), {of.name: of for of in places}
    met: set[str] = set()
    for line in lines:
        now = live[line.document]
        if line.document in met:
            found.kept[line.document] = "returns with another unit, and with what that one left of it alone"
            continue
        met.add(line.document)
        wrote = _one(entity, by_kind, line, now, live, final) if now.exists else "was removed since"
        if isinstance(wrote, str):
            found.kept[line.document] = wrote
        elif wrote is not None:
            found.followed.append(wrote._replace(by=line.by, to=_was_at(by_kind[line.kind], line)))
    return found


def _one(
    entity: Entity,
    by_kind: Mapping[str, Dependents],
    line: Followed,
    now: Snapshot,
    live: Mapping[str, Snapshot],
    final: Callable[[str], str],
) -> Followed | str | None:
    assert entity.tree is not None
    tree, of = entity.tree, by_kind[line.kind]
    stored = get_in(now.fields, of.path)
    also: dict[FieldPath, Value] = {}
    path = final(str(stored))
    if line.to:
        at, was = (_path(entity, by_kind, live, id) for id in (line.to, _was_at(of, line)))
        tail = DOT.join(_tail(of, line))
        if not at or stored != (joined(at, tail) if tail else at):
            return _MOVED
        if not was:
            return f"{_was_at(of, line)}, where it was, is not there any more"
        if not leads_to(was, _was_at(of, line)):
            return f"{_was_at(of, line)}, where it was, has no path of its own by now"
        path = joined(final(was), tail) if tail else final(was)
    worked_out = {of.path, *of.chain}
    for name in (f for f in line.fields if f not in worked_out):
        if get_in(now.fields, name) != get_in(line.after, name):
            return _MOVED if name == tree.parent else "was changed since"
        also[name] = get_in(line.before, name)
    return followed(of, now, path, also)


def _path(entity: Entity, by_kind: Mapping[str, Dependents], live: Mapping[str, Snapshot], id: str) -> str:
    of = by_kind[entity.name]
    return str(get_in(live[f"{of.collection}/{id}"].fields, of.path) or "")
