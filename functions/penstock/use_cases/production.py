"""Finds the production document that a key stands for: by document id, by business key, or spelled alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol, TypeVar

from penstock.core.declaration import Entity
from penstock.core.followers import places_in
from penstock.core.records import Query, Snapshot, Where
from penstock.core.rules import Count, Find
from penstock.core.spelling import folded, variants
from penstock.core.values import FieldPath, Timestamp, Value, get_in
from penstock.use_cases.context import Context

HELD_AT_MOST = 50_000  # documents; above it production is asked key by key, so that memory does not grow with it
IN = 30  # values in one `in` query
GET = 300

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Match:
    """`snapshot` is the document to write, present or absent. `near` is the path of another that is spelled alike."""

    snapshot: Snapshot
    by: Literal["", "id", "key"] = ""
    near: str = ""


class Production(Protocol):
    def match(self, entity: Entity, keys: Sequence[str]) -> dict[str, Match]: ...

    def number(self, asked: Count | Find) -> int | None:
        """How many documents there are of what a rule will ask; None where that is not known, and is not worth a count."""
        ...


def other_spellings(entity: Entity, key: str) -> list[str]:
    return [] if entity.spellings is None else variants(key, entity.spellings)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


class HeldWhole:
    """The target's collections, read once: the cheaper way when most of what they hold is looked up."""

    def __init__(self, ctx: Context, entities: Sequence[Entity], at: Timestamp) -> None:
        self._ctx, self._at = ctx, at
        self._by_id: dict[str, Snapshot] = {}
        self._by_key: dict[tuple[str, str], Snapshot] = {}
        self._alike: dict[tuple[str, str], list[Snapshot]] = {}
        self._collections = {ctx.collection(entity) for entity in entities}
        self._by_value: dict[tuple[str, FieldPath], dict[Value, list[Snapshot]]] = {}
        for entity in entities:
            for found in ctx.store.scan(Query(ctx.collection(entity)), at):
                self._by_id[found.path] = found
                key = get_in(found.fields, entity.key)
                if key is not None:
                    self._by_key.setdefault((entity.name, str(key)), found)
                if entity.spellings is not None:
                    self._alike.setdefault((entity.name, folded(str(key or found.id))), []).append(found)

    def match(self, entity: Entity, keys: Sequence[str]) -> dict[str, Match]:
        return {key: self._match(entity, key) for key in keys}

    def _match(self, entity: Entity, key: str) -> Match:
        path = f"{self._ctx.collection(entity)}/{key}"
        own = self._by_id.get(path)
        named = self._by_key.get((entity.name, key))
        if own is not None and (named is None or named is own or get_in(own.fields, entity.key) == key):
            return Match(own, "id")
        if named is not None:
            return Match(named, "key")
        alike = (key, *other_spellings(entity, key)) if self._alike else ()
        other = [s for v in alike for s in self._alike.get((entity.name, folded(v)), ())]
        return Match(Snapshot(path, None, None), "", other[0].path if other else "")

    def number(self, asked: Count | Find) -> int | None:
        """Told from what was read; of what depends on its units counted, where there were units before."""
        if asked.collection not in self._collections:
            return counted_together(self._ctx, asked, self._at) if self._by_id else None
        equal = asked.equal if isinstance(asked, Find) else ((asked.field, asked.value),)
        wanted = [(field, value if isinstance(value, tuple) else (value,)) for field, value in equal]
        some = min((self._with(asked.collection, field, values) for field, values in wanted), key=len)
        return sum(all(get_in(s.fields, field) in values for field, values in wanted) for s in some)

    def _with(self, collection: str, field: FieldPath, values: Sequence[Value]) -> list[Snapshot]:
        """The documents that hold one of the values in a field."""
        if (collection, field) not in self._by_value:
            of = self._by_value[collection, field] = defaultdict(list)
            for path, document in self._by_id.items():
                value = get_in(document.fields, field)
                if path.rpartition("/")[0] == collection and isinstance(value, str | int | float):
                    of[value].append(document)
        return [document for value in values for document in self._by_value[collection, field].get(value, ())]


def counted_together(ctx: Context, asked: Count | Find, at: Timestamp | None = None) -> int | None:
    """How many there are of what a rule asks about many units of a tree at once, to ask about each where there are any: not known
    until it is counted, for a thirtieth of a read for each unit."""
    tree = ctx.pipeline.tree
    if tree is None or not isinstance(asked, Count) or not isinstance(asked.value, tuple):
        return None
    known = asked.collection in (of.collection for of in places_in(tree, ctx.target.prefix))
    return ctx.store.count(asked.query, at) if known else None


class Asked:
    """Production is asked for just these keys: by document id, and where there is none by business key and its spellings. A key
    that it had under an id of its own (`ids`, by entity and key) is asked for by that id first, and stays with that document as
    long as it has the key."""

    def __init__(self, ctx: Context, at: Timestamp, ids: Mapping[str, str] | None = None) -> None:
        self._ctx, self._at, self._ids = ctx, at, ids or {}

    def match(self, entity: Entity, keys: Sequence[str]) -> dict[str, Match]:
        apart = {key: id for key in keys if (id := self._ids.get(f"{entity.name}/{key}", key)) != key}
        there = self._documents(entity, list(apart.values()))
        known = {key: Match(there[id], "key") for key, id in apart.items() if get_in(there[id].fields, entity.key) == key}
        return known | self._asked(entity, [key for key in keys if key not in known])

    def number(self, asked: Count | Find) -> int | None:
        """What rules will read of a tree may be anything, as far as is known here: it is counted, a thirtieth of a read for each
        code, a tenth for each parent."""
        tree = self._ctx.pipeline.tree
        if not isinstance(asked, Find):
            return counted_together(self._ctx, asked, self._at)
        if tree is None or asked.collection != self._ctx.collection(tree):
            return None
        return self._ctx.store.count(asked.query, self._at)

    def _documents(self, entity: Entity, ids: Sequence[str]) -> dict[str, Snapshot]:
        paths = [f"{self._ctx.collection(entity)}/{id}" for id in ids]
        answers = self._ctx.ports.each(lambda some: self._ctx.store.get(some, self._at), chunks(paths, GET))
        return {s.id: s for snapshots in answers for s in snapshots}

    def _asked(self, entity: Entity, keys: Sequence[str]) -> dict[str, Match]:
        found = self._documents(entity, keys)
        matches = {key: Match(found[key], "id") for key in keys if get_in(found[key].fields, entity.key) == key}
        unknown = [key for key in keys if key not in matches]
        by_key = self._named(entity, [v for key in unknown for v in (key, *other_spellings(entity, key))])
        for key in unknown:
            if key in by_key:
                matches[key] = Match(by_key[key], "key")
            elif found[key].exists:
                matches[key] = Match(found[key], "id")
            else:
                near = next((by_key[v].path for v in other_spellings(entity, key) if v in by_key), "")
                matches[key] = Match(found[key], "", near)
        return matches

    def _named(self, entity: Entity, spellings: Sequence[str]) -> dict[str, Snapshot]:
        store, collection = self._ctx.store, self._ctx.collection(entity)

        def ask(some: list[str]) -> list[Snapshot]:
            return list(store.scan(Query(collection, (Where(entity.key, "in", some),)), self._at))

        answers = self._ctx.ports.each(ask, chunks(list(dict.fromkeys(spellings)), IN))
        found: dict[str, Snapshot] = {}
        for snapshot in (s for snapshots in answers for s in snapshots):
            found.setdefault(str(get_in(snapshot.fields, entity.key)), snapshot)  # of several the first, as when read whole
        return found


def cheaper(
    ctx: Context, entities: Sequence[Entity], expected: int, held: Mapping[str, int], at: Timestamp, ids: Mapping[str, str]
) -> Production:
    """Reading all of production costs its size, asking costs a read for each key expected: whichever predicts the lower bill.
    `held`: how many documents each collection holds; `ids` as for `Asked`."""
    return HeldWhole(ctx, entities, at) if is_held_whole(ctx, entities, expected, held) else Asked(ctx, at, ids)


def is_held_whole(ctx: Context, entities: Sequence[Entity], expected: int, held: Mapping[str, int]) -> bool:
    return sum(held[ctx.collection(entity)] for entity in entities) <= min(expected, HELD_AT_MOST)
