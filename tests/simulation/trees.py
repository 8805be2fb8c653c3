"""What must hold of a tree with each commit: where a unit lies, what follows it, what becomes of what it leaves. Told from the
documents and from what people said; no path is taken from the product."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from penstock.core.layout import STAGING, STAMP
from penstock.core.plan import Batch
from penstock.core.records import ABSENT, Set, Update
from penstock.core.values import Data, dumps, loads
from support import oracle

from simulation.journal import Landed, versions
from simulation.model import promotion, proposed

if TYPE_CHECKING:
    from simulation.parishes import Parishes

Found = Iterator[str]
UNITS, MEMBERS = "parishes", "members"
CHAIN = tuple(f"unit{n}" for n in range(1, 7))


def hierarchy(sim: Parishes, event: object) -> Found:
    """No reader ever sees a unit, or a member, anywhere else than under what it hangs under; but for one that came while the
    commit was on its way: it is where it hangs once the batch is at its end."""
    if isinstance(event, Landed) and event.production:
        units = {id: data for id, data in sim.documents(UNITS).items() if f"{UNITS}/{id}" not in sim.late}
        members = {id: data for id, data in sim.documents(MEMBERS).items() if f"{MEMBERS}/{id}" not in sim.late}
        yield from oracle.faults(units, members)
        sim.ours.add(event.at)


def hierarchy_at_rest(sim: Parishes) -> Found:
    yield from oracle.faults(sim.documents(UNITS), sim.documents(MEMBERS))


def follow(sim: Parishes, event: object) -> Found:
    """What is written beside the changes had to follow them, as it then stood, and nothing else of it is touched."""
    if not isinstance(event, Landed) or not event.production or (promoted := promotion(sim, event)) is None:
        return
    batch, mine = promoted[0], sim.own(event)
    writes = {write.path: write for write in event.writes}
    for path in event.production:
        if path in mine:
            continue
        was, now, write = event.before[path], event.after[path], writes[path]
        exact = isinstance(write, Update) and write.precondition is not None and write.precondition.update_time == was.time
        if was.data is None or now.data is None or not exact:
            yield f"{path} was written beside {batch.id}, and not as an update of the state that it was read in"
            continue
        asked = [_due(sim, event, path, was.data), *_given_back(sim, batch, path, was.data)]
        if dumps(_unprinted(now.data)) not in {dumps(_unprinted(data)) for data in asked}:
            yield f"{path} was {was.data}, is {now.data} beside {batch.id}, and was to be {asked[0]}"
        elif dumps(now.data) == dumps(was.data):
            yield f"{path} was written beside {batch.id}, and nothing of it had to be"
        sim.along_with[batch.id, path] = event


def kept_beside(blob: bytes) -> Iterator[tuple[str, list[tuple[str, ...]], Data]]:
    """Of each document in the list of what was written beside changes: its path, the fields, and what they held before."""
    for run in map(loads, gzip.decompress(blob).splitlines()):
        for path, _seconds, _nanos, before, _after in run["rows"]:
            yield path, [tuple(field) for field in run["fields"]], before


def fetched(sim: Parishes, event: Landed) -> Found:
    """A commit that promotes nothing puts what came late where it hangs, or what it came to back, exactly, and that is all that
    it does."""
    writes, kept = {write.path: write for write in event.writes}, {}
    again = _came_back(sim, event)
    for name, blob in sim.blobs.objects.items():
        if ".followers.late-" in name and name.startswith(f"backups/{sim.ctx.id}/"):
            kept |= {path: (fields, before) for path, fields, before in kept_beside(blob)}
    for path in set(event.production) & again.keys():
        stood, now, write = again[path].before[path], event.after[path], writes[path]
        if event.before[path].data is not None or dumps(sim.bare(now.data)) != dumps(sim.bare(stood.data)):
            yield f"{path} was {stood.data}, was removed, and came back as {now.data}"
        elif not isinstance(write, Set) or write.precondition != ABSENT:
            yield f"{path} came back, and was written without a look at it"
        elif not sim.hangs_below(path.rpartition("/")[2]):
            yield f"{path} was removed as people said, and came back although nothing hangs below it"
    for path in event.production:
        was, now, write = event.before[path].fields, event.after[path].fields, writes[path]
        if path in again:
            continue
        if path not in sim.late:
            yield f"{path} was written outside of any batch that was shown"
        elif dumps(now) not in {dumps(_due(sim, event, path, was)), dumps(_beside(sim, was))}:
            yield f"{path} came late, was {was}, and was put to {now}"
        elif not (isinstance(write, Update) and write.precondition and write.precondition.update_time == event.before[path].time):
            yield f"{path} came late, and was written without a look at it"
        elif path not in kept or any(kept[path][1].get(of[0]) != was.get(of[0]) for of in kept[path][0]):
            yield f"{path} came late, and what it stored lies nowhere"


def _beside(sim: Parishes, was: Data) -> Data:
    """What a member becomes that came to a unit as that was removed: it belongs where that would hang, until that comes back."""
    removed = {at: landed.before[at].fields for (_, at), landed in sim.promoted.items() if landed.after[at].data is None}
    units = {**{at.rpartition("/")[2]: data for at, data in removed.items()}, **sim.documents(UNITS)}
    return _member_of(was, str(was.get("unitPath", "")).rpartition(".")[2], units)


def _came_back(sim: Parishes, event: Landed) -> dict[str, Landed]:
    """The removals that a commit takes out of ledgers, with the commits that made them: they count as not made any more."""
    found = {}
    for pack, was, now in event.of(STAGING):
        had, has = ((i.fields.get("ledger") or {}).get("drifted", ()) for i in (was, now))
        shown = sim.journal.shown.get(now.fields["batch"], {}).get(pack)
        for key in set(has) - set(had) if shown and was.fields.get("ledger") else ():
            path = shown.changes[key].path
            if (landed := sim.promoted.pop((now.fields["batch"], path), None)) is not None:
                found[path] = landed
    return found


def _unprinted(data: Data) -> Data:
    """Without the fingerprint by which an edit by hand is told: it goes with what else is written."""
    stamp = data.get(STAMP)
    return {**data, STAMP: {k: v for k, v in stamp.items() if k != "content"}} if isinstance(stamp, dict) else data


def _due(sim: Parishes, event: Landed, path: str, was: Data) -> Data:
    """What a document had to become, by what hangs where once the commit was made and by what was chosen."""
    leaves = goers(sim, event)
    if path.partition("/")[0] == MEMBERS:
        unit = str(was.get("unitPath", "")).rpartition(".")[2]
        home = next((home for id, (_, home) in leaves.items() if home and _is_left(sim, event, unit, id)), "")
        return _member_of(was, home or unit, sim.documents(UNITS))
    data = dict(was)
    id = path.rpartition("/")[2]
    for goer, (choice, home) in leaves.items():
        if choice == "cascade" and data.get("active") and _is_below(sim, event, id, goer):
            data["active"] = False
        elif home and _is_left(sim, event, str(data.get("parentId")), goer):
            data["parentId"] = home
    return _in_place(sim, id, data)


def _in_place(sim: Parishes, id: str, data: Data) -> Data:
    way = oracle.walked({**sim.documents(UNITS), id: data}, id)
    return {**data, "path": ".".join(way or ["nowhere"])}


def _member_of(was: Data, unit: str, units: oracle.Documents) -> Data:
    way = oracle.walked(units, unit) or ["nowhere"]
    rest = {name: value for name, value in was.items() if name not in CHAIN}
    return {**rest, "unitPath": ".".join(way), **dict(zip(CHAIN, way, strict=False))}


def goers(sim: Parishes, event: Landed) -> dict[str, tuple[str, str]]:
    """The units that a commit took away: what was chosen for what hangs below each, and the unit that it moves to."""
    if (promoted := promotion(sim, event)) is None:
        return {}
    chosen = {key: choice for said in promoted[0].decisions for key, choice in said.choices.items() if said.verdict == "approve"}
    found = {}
    for path, change in sim.own(event).items():
        if event.before[path].fields.get("active") and event.after[path].fields.get("active") is False:
            choice = chosen.get(change.key) or change.facts.get("choice", "")  # of a reversal: as it was shown
            found[path.rpartition("/")[2]] = choice, choice.partition("reassign:")[2]
    return found


def _is_below(sim: Parishes, event: Landed, id: str, other: str) -> bool:
    """Whether a unit hangs below another once the commit was made, or did before."""
    after, before = sim.documents(UNITS), sim.before(event, UNITS)
    return any(other in (oracle.walked(units, id) or [])[:-1] for units in (after, before))


def _is_left(sim: Parishes, event: Landed, id: str, goer: str) -> bool:
    """Whether a unit is the one that goes, or an official one below it that is gone too and has no word of its own."""
    unit = sim.documents(UNITS).get(id, {})
    gone = unit.get("official") and not unit.get("active") and not _decided(sim, event, unit)
    return id == goer or bool(gone and _is_below(sim, event, id, goer))


def _decided(sim: Parishes, event: Landed, unit: Data) -> bool:
    """Whether people chose what becomes of what hangs below a unit, for the batch that a commit promotes or one that it takes
    back, and so on down."""
    promoted, key = promotion(sim, event), f"units/{unit.get('landlordId')}"
    batch = promoted[0] if promoted else None
    while batch is not None:
        if any(key in said.choices for said in batch.decisions if said.verdict == "approve"):
            return True
        batch = sim.batches().get(batch.rolls_back)
    return False


def _given_back(sim: Parishes, batch: Batch, path: str, was: Data) -> Iterator[Data]:
    """What a document was before the batch that is taken back wrote it, as far as it still is as that left it."""
    first = sim.along_with.get((batch.rolls_back, path))
    if first is None:
        return
    left, stood = first.after[path].fields, first.before[path].fields
    worked_out = {"path", "unitPath", *CHAIN}
    changed = {n for n in {*left, *stood} - worked_out if dumps(left.get(n)) != dumps(stood.get(n))}
    data = {n: v for n, v in was.items() if n not in changed} | {n: stood[n] for n in changed if n in stood}
    if path.partition("/")[0] == MEMBERS:
        yield _member_of(data, str(stood["unitPath"]).rpartition(".")[2], sim.documents(UNITS))
    else:
        yield _in_place(sim, path.rpartition("/")[2], data)


def given_back(sim: Parishes) -> Found:
    """A whole rollback gives back all that its batch wrote beside its changes, as far as it still was as that left it."""
    for id, batch in sim.batches().items():
        commits = {event.at for (of, _), event in [*sim.promoted.items(), *sim.along_with.items()] if of == id}
        if batch.kind != "rollback" or batch.status not in ("APPLIED", "ROLLED_BACK") or batch.part or not commits:
            continue
        for (of, path), event in sim.along_with.items():
            if of != batch.rolls_back or (id, path) in sim.promoted:
                continue  # what has a change of its own is judged by that
            left, stood = event.after[path].data, event.before[path].data
            versions_of = versions(sim.database, path)
            then = [v.data for v in versions_of if v.time < min(commits)]  # type: ignore[operator]
            now = [v.data for v in versions_of if v.time <= max(commits)]  # type: ignore[operator]
            if _essence(then[-1]) == _essence(left) and _essence(now[-1]) != _essence(stood):
                yield f"{id} took {of} back, and {path} is {now[-1]}, which was {stood} before"


def _essence(data: Data | None) -> str:
    """A document without what is worked out; of a member, the unit that it belongs to."""
    if data is None:
        return "none"
    rest = {name: value for name, value in _unprinted(data).items() if name not in ("path", "unitPath", *CHAIN)}
    return dumps({**rest, "belongs to": str(data.get("unitPath", "")).rpartition(".")[2]})


def choice(sim: Parishes, event: object) -> Found:
    """A unit goes only with a word on what hangs below it, and that is then done whole."""
    if not isinstance(event, Landed) or not event.production or promotion(sim, event) is None:
        return
    units, members = sim.documents(UNITS), sim.documents(MEMBERS)
    batch, leaves = promotion(sim, event)[0], goers(sim, event)  # type: ignore[index]

    def goes(id: str, unit: Data) -> bool:
        return id in leaves or unit.get(STAMP, {}).get("batch") == batch.id or _decided(sim, event, unit)

    gone = {id for id, unit in units.items() if not unit.get("active") and goes(id, unit)}
    ways = {id: oracle.walked(units, id) or [] for id in units}

    def left_by(way: list[str]) -> str:
        """What hangs below several that go is that of the nearest."""
        return next((id for id in reversed(way) if id in gone), "")

    for id, (chosen, home) in leaves.items():
        below = {other for other, way in ways.items() if left_by(way[:-1]) == id and f"{UNITS}/{other}" not in sim.late}
        own = {other for other in below if not units[other].get("official")}
        active = {other for other in below if units[other].get("active")}
        at = {
            name
            for name, member in members.items()
            if f"{MEMBERS}/{name}" not in sim.late and left_by(str(member.get("unitPath", "")).split(".")) == id
        }
        left = active if chosen == "cascade" else own | active | at
        if left:
            yield f"{id} went with the choice {chosen!r}, and {sorted(left)} hang below it"
        if home and (not units[home].get("active") or not units[home].get("official") or home in below | {id}):
            yield f"{id} went, and what hung below it moved to {home}, which is {units[home]}"


def absence(sim: Parishes, event: object) -> Found:
    """A unit is proposed to go only if the landlord had dropped it, or no longer said that it is active, when that was read."""
    for path, change, batch in proposed(sim, event):
        goes = (change.before or {}).get("active") and (change.after or {}).get("active") is False
        if goes and sim.fed(change.key, batch.read_time):
            yield f"{path} proposes to take {change.key} away, which its source holds"


ALWAYS: Mapping[str, Callable[[Any, object], Found]] = {
    "hierarchy": hierarchy,
    "follow": follow,
    "choice": choice,
    "absence": absence,
}
AT_REST: tuple[tuple[str, Callable[[Any], Found]], ...] = (("hierarchy", hierarchy_at_rest), ("rollback", given_back))
