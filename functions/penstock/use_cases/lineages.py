"""Puts to each change of a tree what people call the units above it. Packs keep the names of those that production has; those
that the batch itself creates are found in its packs. Nothing is read for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from penstock.core.changes import Change
from penstock.core.declaration import Pipeline
from penstock.core.lineage import lineage_of, name_after, name_before, paths_of
from penstock.core.plan import Row
from penstock.core.rules import lineage
from penstock.use_cases.staging import Pack


class _Names:
    """By document id, what people call units: as production does, else as the batch will."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self.known: dict[str, str] = {}

    def from_pack(self, pack: Pack) -> None:
        self.known |= pack.gathered.get(lineage.NAME, {})

    def from_change(self, change: Change) -> None:
        entity = self._pipeline.entity(change.entity)
        name = name_before(entity, change) or name_after(entity, change)
        if name:
            self.known[change.path.rpartition("/")[2]] = name

    def put_to(self, row: Row) -> Row:
        lineage = lineage_of(self._pipeline.entity(row.change.entity), row.change, self.known)
        return replace(row, lineage=lineage)


def told(pipeline: Pipeline, packs: Iterable[Pack], rows: Callable[[Pack], Iterable[Row]]) -> Iterator[Row]:
    """The rows of the packs, in their order, in which whatever is created stands before what is below it."""
    if pipeline.tree is None:
        for pack in packs:
            yield from rows(pack)
        return
    names = _Names(pipeline)
    for pack in packs:
        names.from_pack(pack)
        for row in rows(pack):
            names.from_change(row.change)
            yield names.put_to(row)


def put_to(pipeline: Pipeline, packs: Sequence[Pack], rows: Iterable[Row]) -> tuple[Row, ...]:
    """Some rows of a batch. Of all packs, only the changes that create what is above these are decoded."""
    shown = tuple(rows)
    if pipeline.tree is None or not shown:
        return shown
    names = _Names(pipeline)
    for pack in packs:
        names.from_pack(pack)
    for row in shown:
        names.from_change(row.change)
    paths = (path for row in shown for path in paths_of(pipeline.entity(row.change.entity), row.change))
    unknown = {f"{pipeline.tree.name}/{id}" for path in paths for id in path[:-1] if id not in names.known}
    for pack in packs:
        if unknown and (here := unknown & set(pack.fields["keys"])):
            for change in pack.some(here):
                names.from_change(change)
    return tuple(names.put_to(row) for row in shown)
