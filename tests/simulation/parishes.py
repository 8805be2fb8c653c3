"""A Penstock with a tree: a landlord's units in a tenant's production, the tenant's own under them, and members of any."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Self

from penstock.core import layout
from penstock.core.changes import Action, Change
from penstock.core.codec import TargetState
from penstock.core.declaration import Target
from penstock.core.records import Delete, Set
from penstock.core.values import Data, Timestamp, dumps, get_in, loads
from support import oracle

from simulation import laws, trees
from simulation.journal import Image, Landed, image, images, versions
from simulation.laws import SECRET
from simulation.model import GONE, OVERLAP, expected, promotion, put
from simulation.simulation import Simulation
from simulation.trees import CHAIN, MEMBERS, UNITS, kept_beside

NORTH, SOUTH = Target("north", "north", "(default)"), Target("south", "south", "(default)")


class Parishes(Simulation):
    FILE = Path(__file__).with_name("parishes.yaml")
    SOURCE, SOURCES = "landlord-units", ("landlord",)
    COLLECTIONS = (UNITS, MEMBERS)
    ALWAYS: Mapping[str, Callable[[Any, object], Iterator[str]]] = {**laws.ALWAYS, **trees.ALWAYS}
    AT_REST = (*laws.AT_REST, *trees.AT_REST)
    MAPPED = frozenset({"id", "level", "parent", "code", "name", "active", "changed"})

    def __init__(self, people: int = 1, approvals: int = 1, targets: tuple[Target, ...] = ()) -> None:
        super().__init__(people, approvals, targets)
        self.along_with: dict[tuple[str, str], Landed] = {}  # (batch, path) → the commit that wrote it beside its changes
        self.late: set[str] = set()  # documents that came between what was read for a commit and that
        self.ours: set[Timestamp] = set()  # when the product wrote production
        for ctx in self.contexts.all()[1:]:
            self.views.append(self._other(ctx))

    def _other(self, ctx: Any) -> Self:
        """The same, seen from another target."""
        other = copy.copy(self)
        other.ctx = other.outside = ctx
        other.database = self._open(ctx.target)
        other.looked_at = Timestamp(0)
        return other

    # what is there --------------------------------------------------------------------------------------------------

    def documents(self, collection: str) -> dict[str, Data]:
        return {path.rpartition("/")[2]: there.fields for path, there in images(self.database, collection).items()}

    def before(self, event: Landed, collection: str) -> dict[str, Data]:
        """A collection as it stood right before a commit that was just made."""
        found = self.documents(collection)
        for path, was in event.before.items():
            of, _, id = path.rpartition("/")
            if of == collection:
                found.pop(id, None)
                if was.data is not None:
                    found[id] = was.data
        return found

    def records(self) -> dict[str, Data]:
        return {path.partition("/")[2]: there.fields for path, there in images(self.registry, self.SOURCE).items()}

    def fed(self, key: str, at: Timestamp) -> bool:
        version = self.registry._version(f"{self.SOURCE}/{key.partition('/')[2]}", at)
        return version is not None and bool((version.data or {}).get("active"))

    # what others do -------------------------------------------------------------------------------------------------

    def tell(self, id: str, **fields: Any) -> None:
        """What the landlord says of a unit from now on; what is not named stays. Its stamps rise."""
        self.highest = max(self.clock.time, self.highest.plus(0.001))
        usual = {"id": id, "code": id.upper(), "name": f"unit {id}", "active": True, "owner": SECRET}
        data = {**usual, **self.records().get(id, {}), **fields, "changed": self.highest}
        self.registry.commit([Set(f"{self.SOURCE}/{id}", {name: value for name, value in data.items() if value is not None})])

    def withdraw(self, id: str) -> None:
        """The landlord drops a unit."""
        self.registry.commit([Delete(f"{self.SOURCE}/{id}")])

    def settle_in(self, id: str, under: str, **fields: Any) -> None:
        """The tenant makes a unit of its own."""
        above = self.documents(UNITS)[under]
        self.comes(f"{UNITS}/{id}")
        path = f"{above['path']}.{id}"
        data = {"parentId": under, "path": path, "level": path.count(".") + 1, "name": f"own {id}", "active": True, **fields}
        self.edit(f"{UNITS}/{id}", **data)

    def join(self, id: str, unit: str, **fields: Any) -> None:
        """Somebody becomes a member of a unit."""
        path = self.documents(UNITS)[unit]["path"]
        self.comes(f"{MEMBERS}/{id}")
        data = {"unitPath": path, **dict(zip(CHAIN, path.split("."), strict=False)), "name": f"member {id}", **fields}
        self.database.commit([Set(f"{MEMBERS}/{id}", data)])

    def comes(self, path: str) -> None:
        """What comes right before a commit, behind what was read for it, is seen by nobody but who looks once more."""
        self.late |= {path} if self.journal.between else set()

    def leave(self, id: str) -> None:
        """Somebody is a member no more."""
        self.database.commit([Delete(f"{MEMBERS}/{id}")])

    def replant(self, id: str, under: str) -> None:
        """Somebody moves a unit by hand, with all that hangs below it, in one commit."""
        units = self.documents(UNITS)
        units[id] = {**units[id], "parentId": under, "landlordParent": units[under]["landlordId"]}
        found = [(f"{UNITS}/{one}", {**data, "path": ".".join(oracle.walked(units, one) or [])}) for one, data in units.items()]
        for one, data in self.documents(MEMBERS).items():
            way = oracle.walked(units, str(data["unitPath"]).rpartition(".")[2]) or []
            rest = {name: value for name, value in data.items() if name not in CHAIN}
            found.append((f"{MEMBERS}/{one}", {**rest, "unitPath": ".".join(way), **dict(zip(CHAIN, way, strict=False))}))
        self.database.commit([Set(path, data) for path, data in found if dumps(data) != dumps(image(self.database, path).fields)])

    # what the judges must know of a tree ----------------------------------------------------------------------------

    def wanted(self, event: Landed, change: Change) -> Data | None:
        """A path is worked out, not approved: it is that of the unit above, and the unit's own id."""
        data = expected(change)
        if data is None:
            return None
        id = change.path.rpartition("/")[2]
        way = oracle.walked({**self.documents(UNITS), id: data}, id)
        return {**data, "path": ".".join(way)} if way and event.after[change.path].data is not None else data

    def along(self, event: Landed, path: str) -> bool:
        """That it had to be, and is as it had to be, is another law's."""
        return path.partition("/")[0] in self.COLLECTIONS and path not in self.own(event)

    def own(self, event: Landed) -> dict[str, Change]:
        """The changes by path that a commit made."""
        if (promoted := promotion(self, event)) is None:
            return {}
        fell_out = set(event.after[event.ledger].fields["ledger"]["drifted"])
        return {path: change for path, change in promoted[2].items() if change.key not in fell_out}

    def left_by(self, batch: str, path: str, first: Landed) -> Landed:
        """What a batch changed may go along with another of its changes afterwards."""
        return max(first, self.along_with.get((batch, path), first), key=lambda landed: landed.at)

    def unshown(self, event: Landed) -> Iterator[str]:
        """Before a batch is at its end, what came late is put where it hangs."""
        yield from trees.fetched(self, event)

    def bare(self, data: Data | None) -> Data | None:
        return None if data is None else {name: value for name, value in data.items() if name != "path"}

    def moved(self, change: Change, was: Image) -> bool:
        return dumps(self.bare(was.data)) != dumps(self.bare(change.before))

    def untouched(self, path: str, first: Landed, was: Image) -> bool:
        since = [v.time for v in versions(self.database, path) if v.time > first.at and v.time <= (was.time or first.at)]  # type: ignore[operator]
        return dumps(self.bare(was.data)) == dumps(self.bare(first.after[path].data)) and self.ours.issuperset(since)

    def may_fall(self, event: Landed, change: Change, _: Collection[str], __: Iterable[Change]) -> bool:
        """Where somebody wrote to the tree since it was planned: it may have no place any more, or touch more than it did. And
        nothing is removed that others hang under, nor goes where its own batch brings others below, or was to take them away."""
        id = change.path.rpartition("/")[2]
        if change.action is Action.DELETE and self.hangs_below(id):
            return True
        batch = promotion(self, event)[0]  # type: ignore[index]
        shown = self.journal.shown[batch.id].values()
        others = {other.path.rpartition("/")[2] for pack in shown for other in pack.changes.values()}
        if (change.after or {}).get("active") is False and any(id in self._above_of(other) for other in others):
            return True
        since = (
            v.time
            for name in self.COLLECTIONS
            for path in self.database._paths.get(name, ())
            for v in versions(self.database, path)
        )
        return any(time is not None and time > batch.read_time and time not in self.ours for time in since)

    def _above_of(self, id: str) -> list[str]:
        return (oracle.walked(self.documents(UNITS), id) or [])[:-1]

    def hangs_below(self, id: str) -> bool:
        above = [way[:-1] for unit in self.documents(UNITS) if (way := oracle.walked(self.documents(UNITS), unit))]
        return any(id in way for way in [*above, *(str(m.get("unitPath")).split(".") for m in self.documents(MEMBERS).values())])

    def priors(self, event: Landed, lines: Mapping[str, Data]) -> dict[str, Data | None]:
        """What was written along lies beside the backup, by the attempt that landed: what those fields held, and no more."""
        found = super().priors(event, lines)
        of = event.before[event.ledger].fields
        attempt = event.after[event.ledger].fields["ledger"]["attempt"]
        blob = self.blobs.objects.get(layout.followers_blob(of["target"], of["batch"], of["number"], attempt))
        mine = self.own(event)
        for path, fields, before in kept_beside(blob) if blob else ():
            base = found.get(path) if path in mine else event.after[path].data
            data: Data = loads(dumps(base or {}))
            for field in fields:
                put(data, field, get_in(before, field, GONE))
            found[path] = data
        return found

    def overlooked(self, state: TargetState, *, rest: bool = False) -> Iterator[str]:
        """What the landlord said, as far as the last run that looked could see, and nobody dealt with."""
        if state.last_run and state.last_run["mode"] != "recheck":
            self.looked_at = state.last_run["at"]
        passed = state.sources.get("landlord")
        if passed is None or passed.watermark is None:
            return
        seen = {i.fields["id"]: i.fields for i in images(self.registry, self.SOURCE).values() if i.time <= self.looked_at}  # type: ignore[operator]
        window = [r for r in seen.values() if passed.watermark.plus(-OVERLAP) <= r["changed"] <= passed.watermark]
        newer = any(r["changed"] > passed.watermark for r in seen.values())
        if (len(window) != passed.window or newer) and not rest:
            return  # the next run looks again
        yield from self.undealt(state, seen, passed.watermark)

    def undealt(self, state: TargetState, seen: Mapping[str, Data], mark: Timestamp | None = None) -> Iterator[str]:
        """Of what the landlord says up to a stamp, by id, what stands nowhere in production, is not proposed, was not declined,
        and is not held back because of what it hangs under."""
        dealt = {c.key for c in self.changes_in(state.open)} if state.open else set()
        for recheck in state.recheck:
            dealt |= set(recheck.keys if recheck.keys is not None else (c.key for c in self.changes_in(recheck.batch)))
        dealt |= self.declined()
        had = [v.fields for path in self.database._paths.get(UNITS, ()) for v in versions(self.database, path)]
        for id, record in seen.items():
            chain = set(self._above(seen, id))
            if (mark and record["changed"] > mark) or {f"units/{one}" for one in chain} & dealt or None in chain:
                continue
            if not any(_says(data, record) for data in had):
                yield f"{id} is {record} at the landlord and was passed over"

    def _above(self, seen: Mapping[str, Data], id: str) -> Iterator[str | None]:
        """A unit and those above it by the landlord; None where that leads nowhere or in a circle: it is held back."""
        found: list[str] = []
        here: str | None = id
        while here:
            if here in found or here not in seen:
                yield None
                return
            found.append(here)
            yield here
            here = seen[here].get("parent")

    def gist(self, change: Change) -> str:
        return f"{change.key} {change.action} {dumps({k: v for k, v in (change.after or {}).items() if k != 'changedAt'})}"


def _says(data: Data, record: Data) -> bool:
    names = {"landlordId": "id", "level": "level", "landlordParent": "parent", "code": "code", "name": "name", "active": "active"}
    return all(data.get(mine) == record.get(theirs) for mine, theirs in names.items())
