"""What a source fed before and feeds no more becomes a change under its entity's policy, once it is proved."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from penstock.core.changes import Action, Change
from penstock.core.declaration import Entity
from penstock.core.deletes import plan_gone
from penstock.core.manifest import GONE, LOST, Manifest
from penstock.use_cases.looking import Reading
from penstock.use_cases.outlook import rest_for_gone
from penstock.use_cases.production import Production, chunks
from penstock.use_cases.proposing import Count, Found
from penstock.use_cases.staging import DeclinedMap

CHUNK = 400  # keys that are looked up in production together

KEPT = "gone from the source, kept"
UNPROVED = "gone from the source as it seems, kept until a whole read proves it"
FLAGGED = "gone from the source, production keeps it"
FOREIGN = "gone from the source, its document says that it is another record"
OWN = "gone from the source, its document is the target's own"


class _Gone(NamedTuple):
    key: str  # with its entity
    groups: tuple[str, ...]  # that fed it last


def departed(
    run: Found,
    known: Manifest,
    reading: Reading,
    entities: Sequence[Entity],
    production: Production,
    declined: DeclinedMap,
    again: Collection[str],
) -> list[Change]:
    """The changes for what is gone from one source, once all its groups were taken; those of a group stand together, children
    before parents. `run` is told of each what the manifest shall keep. A key is taken for gone where the read proves it, where
    the source says that it is deleted, or where that was proved before and its group is planned `again`."""
    proved = reading.certificate is not None and reading.certificate.proves_absence
    found: list[Change] = []
    for entity in entities:
        asked: list[_Gone] = []
        count = run.counts[entity.name]
        for gone, print in _unfed(run, known, reading, entity):
            if not (proved or gone.key in run.deleted or (print == GONE and gone.groups[0] in again)):
                if reading.touched is not None:  # of a whole read that was cut, not even this can be told
                    _withhold(run, count, entity, gone, print)
                continue
            count.gone += 1
            if entity.on_delete == "ignore":
                count.skipped[KEPT] += 1
                run.ended[gone.key] = None
            elif declined.get(gone.key, {}).get("") == GONE:
                count.declined += 1
                run.ended[gone.key] = (GONE, *gone.groups)
            else:
                asked.append(gone)
        if asked and run.mode != "full":
            run.foresee(rest_for_gone(run, len(asked)))
        for some in chunks(asked, CHUNK):
            found += _planned(run, count, entity, some, production)
    order = {entity.name: -n for n, entity in enumerate(entities)}
    return sorted(found, key=lambda change: (change.group, order[change.entity], change.key))


def _unfed(run: Found, known: Manifest, reading: Reading, entity: Entity) -> Iterator[tuple[_Gone, str]]:
    """The keys of an entity that no group feeds any more, each with what the manifest has in the place of its fingerprint. Of a
    key that some groups left and others still feed, the manifest is to know that."""
    fed_now = run.fed.get(entity.source, {})
    for key, fed in known.keys.items():
        print, groups = fed[0], fed[1:]
        if key in fed_now or key.partition("/")[0] != entity.name:
            continue
        still = () if print in (LOST, GONE) or reading.touched is None else tuple(g for g in groups if g not in reading.touched)
        if not still:
            yield _Gone(key, groups), print
        elif still != groups:
            run.ended[key] = (print, *still)


def _withhold(run: Found, count: Count, entity: Entity, gone: _Gone, print: str) -> None:
    if print == GONE:
        if entity.on_delete == "flag":
            run.flagged.append(gone.key)
        return
    if print != LOST:
        count.gone += 1
        count.skipped[UNPROVED] += 1
    run.ended[gone.key] = (LOST, *gone.groups)


def _planned(run: Found, count: Count, entity: Entity, some: Sequence[_Gone], production: Production) -> Iterator[Change]:
    keys = {gone.key: gone.key.partition("/")[2] for gone in some}
    matches = production.match(entity, list(keys.values()))
    for gone in some:
        snapshot, keep = matches[keys[gone.key]].snapshot, (GONE, *gone.groups)
        change = plan_gone(entity, keys[gone.key], gone.groups[0], snapshot)
        if change is None:
            count.unchanged += 1
        elif change == "foreign" or change == "own":
            count.skipped[FOREIGN if change == "foreign" else OWN] += 1
        elif entity.on_delete == "flag":
            count.skipped[FLAGGED] += 1
            run.flagged.append(gone.key)
        else:
            count.deleted += change.action is Action.DELETE
            count.updated += change.action is Action.UPDATE
            count.taken_out += 1
            yield change
        run.ended[gone.key] = keep if change is not None else None
