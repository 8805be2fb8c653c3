"""A forest in production, and batches for it put together by hand: what is tried is what becomes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from penstock.core import layout
from penstock.core.batch import Status
from penstock.core.changes import Action, Change, FieldDiff
from penstock.core.packs import Draft, Ledger, Packer
from penstock.core.plan import Batch
from penstock.core.records import Snapshot, Update
from penstock.core.reversal import Choice
from penstock.core.tree import Place, Step, joined, step_of
from penstock.core.values import Data
from penstock.use_cases import outbox, staging
from penstock.use_cases.context import Context, Held, Move, advance, load_target
from penstock.use_cases.rollback import plan_rollback

from support import oracle
from support.world import APPROVER, World

FILE = Path(__file__).parent / "forest.yaml"
UNITS = "geography"  # the collection


def unit(id: str, parent: str = "", *, path: str = "", **fields: Any) -> tuple[str, Data]:
    """An official unit as production holds it; its document bears its landlord's id."""
    path = path or id
    data: Data = {"landlordId": id, "level": path.count(".") + 1, "names": {"en": id}, "active": True, "official": True}
    data |= {"path": path} | ({"parentId": parent, "landlordParent": parent} if parent else {})
    return id, data | fields


def custom(id: str, parent: str, path: str, **fields: Any) -> tuple[str, Data]:
    return id, {"parentId": parent, "path": path, "level": path.count(".") + 1, "names": {"en": id}, "active": True} | fields


def member(id: str, path: str, **fields: Any) -> tuple[str, Data]:
    chain = {f"unit{n}": unit for n, unit in enumerate(path.split("."), 1)}
    return id, {"unitPath": path, "name": f"Member {id}"} | chain | fields


def grown(
    *,
    members: Iterable[tuple[str, Data]] = (),
    units: Iterable[tuple[str, Data]] = (),
    people: tuple[str, ...] = (APPROVER,),
    file: Path = FILE,
    **given: Any,
) -> World:
    """np with two provinces, p1 with two districts and wards, one custom unit under a ward, and members here and there."""
    world = World(file, people={"foresters": people}, **given)
    standing = [
        unit("np"),
        unit("p1", "np", path="np.p1"),
        unit("p2", "np", path="np.p2"),
        unit("d1", "p1", path="np.p1.d1"),
        unit("d2", "p1", path="np.p1.d2"),
        unit("w1", "d1", path="np.p1.d1.w1"),
        unit("w2", "d1", path="np.p1.d1.w2"),
        custom("c1", "w1", "np.p1.d1.w1.c1", wish="ours"),
        *units,
    ]
    belonging = [
        member("m1", "np.p1.d1.w1"),
        member("m2", "np.p1.d1.w1.c1"),
        member("m3", "np.p2"),
        member("m4", "np.p1"),
        *members,
    ]
    world.put(world.production, UNITS, standing)
    world.put(world.production, "members", belonging)
    return world


def fed(world: World, **above: str) -> None:
    """The source says what production has of official units, but for what these hang under."""
    at = world.clock()
    for id, data in units(world).items():
        if data.get("official"):
            said = {"id": id, "level": data["level"], "names": data["names"], "active": data["active"], "at": at}
            parent = above.get(id, data.get("parentId"))
            world.put(world.source, "units", [(id, said | ({"parent": parent} if parent else {}))])


def units(world: World) -> dict[str, Data]:
    return world.documents(UNITS)


def edit(world: World, path: str, /, **fields: Any) -> None:
    """Somebody writes these fields of a document in production."""
    world.production.commit([Update(path, fields, tuple((name,) for name in fields))])


def before_commit_of(world: World, path: str, do: Callable[[Any], object], times: int = 1) -> None:
    """Somebody else is quicker: this happens right before a commit that writes that document; `do` gets what commits for them."""
    real, left = world.production.commit, [times]

    def commit(writes: Any) -> Any:
        if left[0] and any(w.path == path for w in writes):
            left[0] -= 1
            do(real)
        return real(writes)

    world.production.commit = commit  # type: ignore[method-assign]


def ledger(world: World, batch: Batch, number: int = 0) -> Ledger:
    """Of a pack that was promoted."""
    found = staging.load_pack(world.outside, batch.id, number).ledger
    assert found is not None
    return found


def way_back(world: World, batch: str, choice: Choice = Choice()) -> Batch:  # noqa: B008 - frozen
    """A rollback that is proposed, checked and mailed."""
    rollback, owed = plan_rollback(world.ctx, batch, "operator@example.org", choice)
    world.pay(owed)
    world.pump()
    return world.batch(rollback.id)


def taken_back(world: World, batch: str, choice: Choice = Choice(), blockers: str = "reject") -> Batch:  # noqa: B008 - frozen
    """A rollback that is proposed and decided."""
    rollback = way_back(world, batch, choice)
    world.approve(blockers)
    return world.batch(rollback.id)


def faults(world: World) -> list[str]:
    """What is wrong with paths, parents and members, by somebody who walks from parent to parent."""
    held = {id: {f"unit{n}": None for n in range(1, 9)} | m for id, m in world.documents("members").items()}
    told = oracle.faults(units(world), held)
    return [text for text in told if "landlord's parent" not in text and "from the root" not in text]  # nobody keeps those here


class Plan:
    """Changes against production as it stands, in the order of their places."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.entity = world.ctx.pipeline.entity("units")
        self.changes: list[Change] = []
        self._paths = {id: str(data.get("path", "")) for id, data in units(world).items()}

    def now(self, id: str) -> Snapshot:
        return self.world.production.get([f"{UNITS}/{id}"])[0]

    def create(self, id: str, parent: str, **fields: Any) -> Plan:
        above = self._paths[parent] if parent else ""
        path = self._paths[id] = joined(above, id)
        _, after = unit(id, parent, path=path, **fields)
        place = Place("create", path.count(".") + 1, parent, path)
        return self._add(id, Action.CREATE, None, after, (), place)

    def move(self, id: str, parent: str, **fields: Any) -> Plan:
        above = self._paths[parent] if parent else ""
        path = joined(above, id)
        after = {"path": path, **({"parentId": parent, "landlordParent": parent} if parent else {})} | fields
        gone = () if parent else (("parentId",), ("landlordParent",))
        return self._update(id, after, gone, parent, path)

    def update(self, id: str, **after: Any) -> Plan:
        data = self.now(id).fields
        return self._update(id, after, (), str(data.get("parentId", "")), self._paths[id])

    def _update(self, id: str, after: Data, gone: Sequence[tuple[str, ...]], parent: str, path: str) -> Plan:
        now = self.now(id)
        diff = [FieldDiff((name,), now.fields.get(name), value) for name, value in after.items()]
        diff += [FieldDiff(name, now.fields.get(name[0]), None) for name in gone]
        return self._add(id, Action.UPDATE, now, after, diff, Place("update", path.count(".") + 1, parent, path))

    def _add(self, id: str, action: Action, now: Snapshot | None, after: Data, diff: Iterable[FieldDiff], place: Place) -> Plan:
        if action is Action.CREATE:
            diff = [FieldDiff((name,), None, value) for name, value in after.items()]
        change = Change(
            f"units/{id}", "units", id, f"{UNITS}/{id}", action, now.data if now else None, now.update_time if now else None,
            after, tuple(diff), f"print-{id}",
        )  # fmt: skip
        step: Step = step_of(self.entity, change)
        change = change._replace(facts={"place": place._replace(step=step)})
        self.changes.append(change)
        return self

    def drafts(self, per_pack: int) -> list[Draft]:
        order = sorted(self.changes, key=lambda c: (c.facts["place"].order, c.key))
        found: list[Draft] = []
        for start in range(0, len(order), per_pack):
            packer = Packer(len(found))
            for change in order[start : start + per_pack]:
                found += packer.add([change])
            found += packer.rest()
        return found

    def stage(self, per_pack: int = 350, started_by: str = "schedule") -> Batch:
        """The batch as a capture would leave it, checked and mailed."""
        world = self.world
        ctx: Context = world.ctx
        target, at = load_target(ctx), ctx.ports.now()
        id = layout.batch_id(ctx.id, at, "sync")
        new = Batch(
            id, ctx.pipeline.name, ctx.id, "sync", Status.CREATED, at, at, started_by, approvals=ctx.pipeline.gate.approvals
        )
        (held,) = advance(ctx, Move(Held(new, None, target.state.audit), Status.CREATED, started_by))
        drafts = self.drafts(per_pack)
        for draft in drafts:
            staging.stage(ctx, id, draft, {})
        counts = sum((Counter(draft.counts) for draft in drafts), Counter[str]())
        fields: dict[str, Any] = {"packs": len(drafts), "counts": dict(counts)}
        step = Move(held, Status.STAGED, started_by, fields, {"packs": [draft.digest for draft in drafts]})
        owed = outbox.owe(ctx, id, "check", packs=len(drafts))
        advance(ctx, step, writes=[owed], target=target, target_fields={"open": id})
        world.pay([owed])
        world.pump()
        return world.batch(id)
