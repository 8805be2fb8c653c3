"""Anybody's JSON lines into a collection of the local stack: every line is judged before the first document is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from penstock.cli.output import Advance
from penstock.core.errors import InvalidInput
from penstock.core.limits import document_size
from penstock.core.records import Set
from penstock.core.values import Data, loads
from penstock.ports import Store
from penstock.wiring import Contexts

ID = "_id"
TOLD = 20  # bad lines that are named
AT_ONCE, BYTES_AT_ONCE = 400, 2 * 1024 * 1024  # the emulator takes 4 MiB


@dataclass(frozen=True, slots=True)
class Place:
    """A database that pipelines use. `role` is what it is to them: source, production; "" for one that holds other things."""

    role: str
    name: str  # of the project, as pipelines name it
    project: str  # its id
    database: str


def places(contexts: Contexts, collection: str) -> dict[Place, list[str]]:
    """Where pipelines expect this collection; the pipelines, by place."""
    found: dict[Place, dict[str, None]] = {}
    ids = contexts.ports.project_ids
    for pipeline in contexts.pipelines.values():
        for source in (source for source in pipeline.sources.values() if source.collection == collection):
            place = Place("source", source.project, ids.get(source.project, source.project), source.database)
            found.setdefault(place, {})[pipeline.name] = None
    for ctx in contexts.all():
        if any(ctx.collection(entity) == collection for entity in ctx.pipeline.entities):
            project = ctx.target.project
            place = Place("production", project, ids.get(project, project), ctx.target.database)
            found.setdefault(place, {})[ctx.pipeline.name] = None
    return {place: list(pipelines) for place, pipelines in found.items()}


def place_of(contexts: Contexts, collection: str, project: str | None, database: str | None) -> Place:
    """The one place that is meant; `InvalidInput` where that is none or several."""
    known = places(contexts, collection)
    fits = [p for p in known if project in (None, p.role, p.name, p.project) and database in (None, p.database)]
    if len(fits) == 1:
        return fits[0]
    if fits:
        told = "; ".join(f"--project {p.name} --database {p.database} ({p.role})" for p in fits)
        raise InvalidInput("is in several databases", subject=collection, remedy=f"Nothing was written. Name one: {told}.")
    ids = contexts.ports.project_ids
    for name, id in ids.items():
        if project in (name, id):
            return Place("", name, id, database or "(default)")
    collections = {s.collection for pipeline in contexts.pipelines.values() for s in pipeline.sources.values()}
    collections |= {c.collection(entity) for c in contexts.all() for entity in c.pipeline.entities}
    told = f"They use: {', '.join(sorted(collections))}. Projects: {', '.join(sorted(ids))}."
    what = "is used by no pipeline there" if project or database else "is used by no pipeline"
    raise InvalidInput(what, subject=collection, remedy=f"Nothing was written. Name the project with --project. {told}")


def read(path: Path, collection: str, id_field: str) -> int:
    """How many documents the file holds; `InvalidInput` names its bad lines by number."""
    bad: list[str] = []
    seen: dict[str, int] = {}
    count = 0
    for number, line in _lines(path):
        try:
            id, _ = document(line, collection, id_field)
        except InvalidInput as error:
            bad.append(f"line {number}: {error}")
            continue
        count += 1
        if id in seen:
            bad.append(f"line {number}: has the same id as line {seen[id]}, {id[:80]!r}")
        seen.setdefault(id, number)
    if bad:
        told = "".join(f"\n  {line}" for line in bad[:TOLD]) + (f"\n  … and {len(bad) - TOLD} more" if len(bad) > TOLD else "")
        lines = "1 line" if len(bad) == 1 else f"{len(bad)} lines"
        raise InvalidInput(f"{lines} cannot be loaded.{told}", subject=path.name, remedy="\nNothing was written. Correct them.")
    if not count:
        raise InvalidInput("holds no document", subject=path.name, remedy="One JSON object on each line is expected.")
    return count


def write(store: Store, path: Path, collection: str, id_field: str, advance: Advance) -> int:
    """Write every document of a file that `read` found right. Written again, nothing changes."""
    done = 0
    for batch in _batches(_sets(path, collection, id_field)):
        store.commit(batch)
        done += len(batch)
        advance(done)
    return done


def document(line: str, collection: str, id_field: str) -> tuple[str, Data]:
    """(id, fields) of one line. A field `_id` is the id alone; any other field that gives the id stays one of the fields."""
    try:
        data = loads(line)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"is no JSON of Firestore values: {error}") from None
    if not isinstance(data, dict):
        raise InvalidInput("is no JSON object")
    id = data.get(id_field)
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id)
    if not isinstance(id, str) or not id.strip():
        raise InvalidInput(f"has no id in the field {id_field!r}", remedy="Name another field with --id.")
    if "/" in id:
        raise InvalidInput(f"has a slash in its id, {id[:80]!r}", remedy="Name another field with --id.")
    if id_field == ID:
        data = {name: value for name, value in data.items() if name != ID}
    document_size(f"{collection}/{id}", data)
    return id, data


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise InvalidInput(
            f"is not UTF-8: {error.reason}", subject=path.name, remedy="Nothing was written. Save it as UTF-8."
        ) from None


def _sets(path: Path, collection: str, id_field: str) -> Iterator[tuple[Set, int]]:
    for _, line in _lines(path):
        id, data = document(line, collection, id_field)
        yield Set(f"{collection}/{id}", data), len(line.encode())


def _batches(sets: Iterable[tuple[Set, int]]) -> Iterator[list[Set]]:
    some: list[Set] = []
    size = 0
    for one, bytes in sets:
        if some and (len(some) == AT_ONCE or size + bytes > BYTES_AT_ONCE):
            yield some
            some, size = [], 0
        some.append(one)
        size += bytes
    if some:
        yield some
