"""Finds the production document that a key stands for: by document id, by business key, or spelled alike."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, Protocol, TypeVar

from penstock.core.declaration import Entity
from penstock.core.records import Query, Snapshot, Where
from penstock.core.spelling import folded, variants
from penstock.core.values import Timestamp, get_in
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


def other_spellings(entity: Entity, key: str) -> list[str]:
    return [] if entity.spellings is None else variants(key, entity.spellings)


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, size)):
        yield chunk


class HeldWhole:
    """The target's collections, read once: the cheaper way when most of what they hold is looked up."""

    def __init__(self, ctx: Context, entities: Sequence[Entity], at: Timestamp) -> None:
        self._ctx = ctx
        self._by_id: dict[str, Snapshot] = {}
        self._by_key: dict[tuple[str, str], Snapshot] = {}
        self._alike: dict[tuple[str, str], list[Snapshot]] = {}
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
        other = [s for v in (key, *other_spellings(entity, key)) for s in self._alike.get((entity.name, folded(v)), ())]
        return Match(Snapshot(path, None, None), "", other[0].path if other else "")


class Asked:
    """Production is asked for just these keys: by document id, and where there is none by business key and its spellings."""

    def __init__(self, ctx: Context, at: Timestamp) -> None:
        self._ctx, self._at = ctx, at

    def match(self, entity: Entity, keys: Sequence[str]) -> dict[str, Match]:
        store, collection = self._ctx.store, self._ctx.collection(entity)
        paths = [f"{collection}/{key}" for key in keys]
        answers = self._ctx.ports.each(lambda some: store.get(some, self._at), chunks(paths, GET))
        found = {s.id: s for snapshots in answers for s in snapshots}
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


def cheaper(ctx: Context, entities: Sequence[Entity], expected: int, held: Mapping[str, int], at: Timestamp) -> Production:
    """Reading all of production costs its size, asking costs a read for each key expected: whichever predicts the lower bill.
    `held`: how many documents each collection holds."""
    return HeldWhole(ctx, entities, at) if is_held_whole(ctx, entities, expected, held) else Asked(ctx, at)


def is_held_whole(ctx: Context, entities: Sequence[Entity], expected: int, held: Mapping[str, int]) -> bool:
    return sum(held[ctx.collection(entity)] for entity in entities) <= min(expected, HELD_AT_MOST)
