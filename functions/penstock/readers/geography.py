"""Tenant geography for applications: is a member's chain of units valid, and what is the unit behind a landlord id.

    geography = open_geography("my-tenant-project", rules={"NP": Rule(minimum=3, optional=False)})
    answer = geography.validate([form.get(f"unit{n}") for n in range(1, 9)], country="NP")
    if not answer.valid:
        return [problem.text for problem in answer.problems], 422

Only production is asked, so a review that waits blocks no registration. One instance serves all threads of a process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.core.errors import InvalidInput, NoDatabase
from penstock.core.limits import check_document_path
from penstock.core.records import Query, Snapshot, Where
from penstock.core.tree import DOT
from penstock.core.values import Timestamp
from penstock.ports import Store
from penstock.readers.cache import Cache
from penstock.readers.units import (
    ACTIVE,
    COUNTRY,
    FROM_LANDLORD,
    KEY,
    LANDLORD_FIELDS,
    PARENT,
    Link,
    Problem,
    Rule,
    Source,
    Unit,
    Validity,
    problems_of,
    shape_problems,
    trimmed,
    unit_of,
)

COLLECTION, LANDLORD_COLLECTION = "geography", "geography-units"
PIPELINE, ENTITY = "tenant_geography", "units"
SECONDS = 60.0
SIZE = 5_000
RECENT_SECONDS = 60.0  # by so much clocks differ at most
_LINK = ((COUNTRY,), (PARENT,), (ACTIVE,))

Links = tuple[Link | None, ...]


def open_geography(
    project: str, database: str = "(default)", prefix: str = "", *, emulator_host: str | None = None, **options: Any
) -> Geography:
    """The geography of a tenant's database, by its project id. `options` are those of `Geography`. `emulator_host`: "host:port"
    of a Firestore emulator."""
    from penstock.adapters.firestore import FirestoreStores

    return Geography(FirestoreStores(emulator_host).open(project, database), prefix, **options)


class Geography:
    """`prefix` is put before the tenant's collections: "tenants/nepal/" or nothing. `rules` by country, `rule` for all others.
    `target` (the tenant's name with Penstock) is needed to see what is staged, `landlord` (the landlord's database) to see what
    it has. What is in order is kept for `seconds`; a refusal is never told from memory, so that what was promoted a moment ago
    can be used at once."""

    def __init__(
        self,
        store: Store,
        prefix: str = "",
        *,
        rules: Mapping[str, Rule] | None = None,
        rule: Rule = Rule(),  # noqa: B008 - a constant
        target: str = "",
        landlord: Store | None = None,
        seconds: float = SECONDS,
        size: int = SIZE,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._store, self._collection, self._landlord = store, prefix + COLLECTION, landlord
        self._target = f"{PIPELINE}.{target}" if target else ""
        self._rules, self._rule, self._now = dict(rules or {}), rule, now
        self._chains: Cache[tuple[str, ...], Links] = Cache(size, seconds, clock)
        self._units: Cache[str, Unit | None] = Cache(size, seconds, clock)

    def validate(self, chain: Sequence[str | None], country: str) -> Validity:
        """Whether a member of this country (ISO 3166-1 alpha-2) may name these units, ids from the root down: they exist, are
        active, lie in the country, each is the child of the one before, and there are as many as the country asks for. All of
        them are read at one moment, so that no half of a move is ever seen. An empty chain reads nothing.

        Raises `Unavailable` when the database gives no answer."""
        ids, rule = trimmed(chain), self._rules.get(country, self._rule)
        problems = shape_problems(ids, rule)
        if not ids or problems:
            return Validity(ids, problems)
        kept = self._chains.held(ids)
        if kept is not None and not problems_of(ids, kept, country, rule):
            return Validity(ids)
        links = self._chains.read(ids, lambda: self._read(ids), lambda found: None not in found)
        problems = problems_of(ids, links, country, rule)
        if None in links and not self.installed():
            problems = (Problem("not-installed", "", "Units are given, and this tenant has no geography."),)
        return Validity(ids, problems)

    def _read(self, ids: tuple[str, ...]) -> Links:
        """The units as they stood at one moment. What has not changed for a while is the same whenever in a request it was read;
        where something has, all of it is read once more, as of the last change."""
        paths = {id: path for id in ids if (path := self._path(id))}
        found = self._get(list(paths.values()))
        changed = [s.update_time for s in found if s.update_time is not None]
        if changed and len(changed) == len(found) and self._now() - max(changed).seconds < RECENT_SECONDS:
            found = self._get(list(paths.values()), max(changed))
        links = dict(zip(paths, map(_link, found), strict=False))
        return tuple(links.get(id) for id in ids)

    def _get(self, paths: list[str], read_time: Timestamp | None = None) -> list[Snapshot]:
        try:
            return self._store.get(paths, read_time, _LINK) if paths else []
        except NoDatabase:
            return []

    def _path(self, id: str) -> str:
        """Where a unit lies; "" for an id that no unit can have, which is what visitors make up."""
        path = f"{self._collection}/{id}"
        try:
            check_document_path(path)
        except InvalidInput:
            return ""
        return "" if "/" in id or DOT in id else path

    def installed(self) -> bool:
        """Whether the tenant has any geography: one billed read."""
        try:
            return any(True for _ in self._store.scan(Query(self._collection, select=(), limit=1)))
        except NoDatabase:
            return False

    def unit(self, landlord_id: str, source: Source = "production") -> Unit | None:
        """The unit with this landlord id, as the source asked for has it, marked with it and with its status; None where that has
        none. `staged` is what a batch proposes that is under review or being promoted; it and the landlord's own data are not
        accepted, and `Unit.accepted` says so. A unit that a person refused is found in neither but as REJECTED or DECLINED.

        `InvalidInput` where the source was not set up; `Unavailable` when a database gives no answer."""
        if not self._path(landlord_id):
            return None
        if source == "staged":
            return self._staged(landlord_id)
        if source == "landlord":
            return self._of_landlord(landlord_id)
        kept = self._units.held(landlord_id)
        if kept is not None:
            return kept
        return self._units.read(landlord_id, lambda: self._in_production(landlord_id), lambda found: found is not None)

    def _in_production(self, landlord_id: str) -> Unit | None:
        query = Query(self._collection, (Where((KEY,), "==", landlord_id),), limit=1)
        try:
            found = next(iter(self._store.scan(query)), None)
        except NoDatabase:
            return None
        return unit_of(found.fields.get, found.id, "production") if found else None

    def _staged(self, landlord_id: str) -> Unit | None:
        from penstock.core.rules.base import proposed
        from penstock.use_cases.reviewing import staged

        found = staged(self._store, self._known_target(), f"{ENTITY}/{landlord_id}")
        if found is None:
            return None
        row = found[1]
        change = row.change
        return unit_of(lambda name: proposed(change, (name,)), change.path.rpartition("/")[2], "staged", str(row.status))

    def _of_landlord(self, landlord_id: str) -> Unit | None:
        from penstock.use_cases.staging import words_on

        if self._landlord is None:
            raise InvalidInput("was not given", subject="the landlord's database", remedy="Give `landlord=` to Geography.")
        target = self._known_target()
        found = self._landlord.get([f"{LANDLORD_COLLECTION}/{landlord_id}"], select=LANDLORD_FIELDS)[0]
        if not found.exists:
            return None
        status = "DECLINED" if f"{ENTITY}/{landlord_id}" in words_on(self._store, target) else "OFFERED"
        return unit_of(lambda name: found.fields.get(FROM_LANDLORD.get(name, name)), "", "landlord", status)

    def _known_target(self) -> str:
        if not self._target:
            raise InvalidInput("was not given", subject="the target", remedy="Give `target=`, the tenant's name, to Geography.")
        return self._target


def _link(found: Snapshot) -> Link | None:
    if not found.exists:
        return None
    country, parent = found.fields.get(COUNTRY), found.fields.get(PARENT)
    return Link(str(country or ""), str(parent or ""), found.fields.get(ACTIVE) is True)
