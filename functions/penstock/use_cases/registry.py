"""Targets that operators declare: documents of a pipeline's hub. A broken one is told by name and stops no other. Every edit says
in the document who made it and when, and leaves an entry in the hub's audit chain, in the same commit."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace

from penstock.core import audit, layout
from penstock.core.audit import Head
from penstock.core.codec import from_data, to_data
from penstock.core.declaration import Pipeline, Target
from penstock.core.errors import Conflict, InvalidInput, NotFound, OutcomeUnknown, Refused, Unavailable
from penstock.core.records import ABSENT, NAME, Delete, Query, Set, Snapshot, Update, Where, Write, as_seen, unchanged_since
from penstock.core.values import Data, Timestamp
from penstock.pipelines.registered import target_of
from penstock.ports import Ports, Store
from penstock.use_cases import archiving
from penstock.use_cases.context import TRIES, Context, hub_store, load_target

PLACE = ("project", "database", "prefix")  # where a target writes
MAY_BE_LEFT_OUT = ("(default)", "")  # values of these in a document


@dataclass(frozen=True, slots=True)
class Registered:
    """One document of the registry. `target` None: it is not declared rightly, and `wrong` says how and what to do."""

    id: str
    target: Target | None
    wrong: InvalidInput | None
    data: Data
    update_time: Timestamp


@dataclass(frozen=True, slots=True)
class Rollout:
    """`penstock_rollout/{pipeline}`: the stages whose targets run, and how the audit chain of the hub's edits ends."""

    stages: tuple[str, ...] = ()
    audit: Head = field(default_factory=Head)
    changed_by: str = ""
    changed_at: Timestamp | None = None
    anchored: int = 0  # the entry of that chain which the sweep anchored last

    def runs(self, target: Target) -> bool:
        return not target.stage or target.stage in self.stages


def every(ports: Ports, pipeline: Pipeline) -> list[Registered]:
    """All documents of the pipeline, in the order of their ids. Of several that write to the same place the first stands."""
    after, before = layout.registered(f"{pipeline.name}."), layout.registered(f"{pipeline.name}.~")
    query = Query(layout.REGISTRY, (Where(NAME, ">", after), Where(NAME, "<", before)))
    found, places = [], dict[tuple[str, ...], str]()
    for document in hub_store(ports, pipeline).scan(query):
        one = _registered(pipeline, document)
        if one.target is not None and (first := places.setdefault(_place(one.target), one.id)) != one.id:
            one = replace(one, target=None, wrong=_same_place(one.id, first))
        found.append(one)
    return found


def one(ports: Ports, pipeline: Pipeline, id: str) -> Registered:
    """The document of one target, told as `every` tells it; raises `NotFound`. Two reads, where nothing else is at its place."""
    found = _by_itself(ports, pipeline, id)
    if found.target is None:
        return found
    said = zip(PLACE, _place(found.target), strict=True)
    same = tuple(Where((name,), "==", value) for name, value in said if value not in MAY_BE_LEFT_OUT)
    for document in hub_store(ports, pipeline).scan(Query(layout.REGISTRY, same)):  # in the order of their ids
        if not (f"{pipeline.name}." < document.id < id):  # of another pipeline, or behind this one
            continue
        other = _registered(pipeline, document)
        if other.target is not None and _place(other.target) == _place(found.target):
            return replace(found, target=None, wrong=_same_place(id, other.id))
    return found


def _by_itself(ports: Ports, pipeline: Pipeline, id: str) -> Registered:
    found = hub_store(ports, pipeline).get([layout.registered(id)])[0]
    if not found.exists:
        what = "is no target that the hub declares"
        raise NotFound(what, subject=id[:80], remedy=f"`penstock targets list {pipeline.name}` names them.")
    return _registered(pipeline, found)


def _place(target: Target) -> tuple[str, ...]:
    return target.project, target.database, target.prefix


def _registered(pipeline: Pipeline, found: Snapshot) -> Registered:
    assert found.update_time is not None
    try:
        return Registered(found.id, target_of(pipeline, found.id, found.fields), None, found.fields, found.update_time)
    except InvalidInput as error:
        return Registered(found.id, None, error, found.fields, found.update_time)


def rollout(ports: Ports, pipeline: Pipeline) -> Rollout:
    """As long as nobody opened a stage, none is open."""
    return _rollout(hub_store(ports, pipeline).get([layout.rollout(pipeline.name)])[0])


def _rollout(found: Snapshot) -> Rollout:
    return from_data(found.fields, Rollout) if found.exists else Rollout()


def demand_open(ctx: Context) -> None:
    """`Refused` where the target is not to be run: operators disabled it, or have not opened its stage."""
    if ctx.pipeline.hub is None:
        return
    if not ctx.target.enabled:
        raise Refused("is disabled", subject=ctx.id, remedy=f"Nothing was read. `penstock targets set {ctx.id} --enable`.")
    if ctx.target.stage and not rollout(ctx.ports, ctx.pipeline).runs(ctx.target):
        remedy = f"Nothing was read. `penstock targets rollout {ctx.pipeline.name} --open {ctx.target.stage}`."
        raise Refused(f"waits for the stage `{ctx.target.stage}`, which is not open", subject=ctx.id, remedy=remedy)


def add(ports: Ports, pipeline: Pipeline, name: str, given: Data, by: str) -> Registered:
    """Declare a target. Its database is looked into before anything is written."""
    id = layout.target_id(pipeline.name, name)

    def compose(_: Rollout, at: Timestamp) -> Edit:
        data = {**given, "pipeline": pipeline.name, "target": name, "changed_by": by, "changed_at": at}
        target = _right(ports, pipeline, id, data)
        for other in every(ports, pipeline):
            if other.id == id:
                remedy = f"Nothing was written. Change it with `penstock targets set {id}`."
                raise Refused("is declared already", subject=id, remedy=remedy)
            if other.target and _place(other.target) == _place(target):
                raise _same_place(id, other.id)
        load_target(Context(ports, pipeline.on(target), target))
        detail: Data = {"target": id, "before": None, "after": data}
        return Edit("added", detail, (Set(layout.registered(id), data, ABSENT),))

    _edit(ports, pipeline, by, compose)
    return one(ports, pipeline, id)


def change(ports: Ports, pipeline: Pipeline, id: str, given: Data, by: str) -> Registered:
    """Change what a target declares; a field given as None is taken out. Where it writes is not changed: what was begun there
    would be looked for elsewhere."""

    def compose(_: Rollout, at: Timestamp) -> Edit:
        found = _by_itself(ports, pipeline, id)
        merged = {**found.data, **given, "changed_by": by, "changed_at": at}
        data = {name: value for name, value in merged.items() if value is not None}
        _right(ports, pipeline, id, data)
        write = Set(layout.registered(id), data, unchanged_since(found.update_time))
        return Edit("changed", {"target": id, "before": found.data, "after": data}, (write,))

    _edit(ports, pipeline, by, compose)
    return one(ports, pipeline, id)


def remove(ports: Ports, pipeline: Pipeline, id: str, by: str, *, at_once: bool = False) -> None:
    """Take a target out of the registry; nothing in its database is touched. `Refused` while something of it is on the way,
    unless `at_once`: then its database is not asked, for it may be gone."""

    def compose(_: Rollout, __: Timestamp) -> Edit:
        found = _by_itself(ports, pipeline, id)
        if found.target is not None and not at_once:
            state = load_target(Context(ports, pipeline.on(found.target), found.target)).state
            if on_the_way := state.open or state.applying or (state.lease and "a run"):
                remedy = f"Nothing was removed. Bring it to its end, or `penstock targets remove {id} --at-once`."
                raise Refused(f"has something on the way ({on_the_way})", subject=id, remedy=remedy)
        write = Delete(layout.registered(id), unchanged_since(found.update_time))
        return Edit("removed", {"target": id, "before": found.data, "after": None}, (write,))

    _edit(ports, pipeline, by, compose)


def set_stages(ports: Ports, pipeline: Pipeline, opened: tuple[str, ...], closed: tuple[str, ...], by: str) -> Rollout:
    """Open and close stages of the rollout."""

    def compose(before: Rollout, _: Timestamp) -> Edit:
        stages = tuple(stage for stage in dict.fromkeys((*before.stages, *opened)) if stage not in closed)
        return Edit("rollout", {"before": list(before.stages), "after": list(stages)}, stages=stages)

    _edit(ports, pipeline, by, compose)
    return rollout(ports, pipeline)


def _right(ports: Ports, pipeline: Pipeline, id: str, data: Data) -> Target:
    try:
        target = target_of(pipeline, id, data)
    except InvalidInput as error:
        raise InvalidInput(error.what, subject=id, remedy="Nothing was written.") from None
    ctx = Context(ports, pipeline.on(target), target)
    if (needed := ctx.pipeline.gate.approvals) > len(ctx.approvers):
        what = f"asks for {needed} approvals, and {len(ctx.approvers)} people decide for it"
        raise InvalidInput(what, subject=id, remedy="Nothing was written. Name approvers of its own, or ask for fewer approvals.")
    return target


def _same_place(id: str, first: str) -> InvalidInput:
    remedy = f"Give it a database or a prefix of its own: `penstock targets remove {id}`, and add it anew."
    return InvalidInput(f"writes to the same place as {first}", subject=id, remedy=remedy)


@dataclass(frozen=True, slots=True)
class Edit:
    """What an operator does. `stages` None: as they are."""

    what: str
    detail: Data
    writes: tuple[Write, ...] = ()
    stages: tuple[str, ...] | None = None


def _edit(ports: Ports, pipeline: Pipeline, by: str, compose: Callable[[Rollout, Timestamp], Edit]) -> None:
    """One edit with its audit entry. Decided anew whenever another operator was faster. A commit of ours whose answer was lost is
    told by its entry, which stays in the chain whatever others add."""
    store, tried = hub_store(ports, pipeline), set[Head]()
    for _ in range(TRIES):
        found = store.get([layout.rollout(pipeline.name)])[0]
        before, at = _rollout(found), ports.now()
        if tried and _is_any_in_chain(store, pipeline, tried):
            return
        edit = compose(before, at)
        named: Data = {"anchored": before.anchored} if before.anchored else {}  # the chain says which anchors there must be
        detail = {**edit.detail, **named}
        entry = audit.entry(before.audit, target=pipeline.name, batch="", what=edit.what, who=by, at=at, detail=detail)
        head = audit.head_of(entry)
        after = Rollout(before.stages if edit.stages is None else edit.stages, head, by, at, before.anchored)
        chained = [
            Set(layout.rollout(pipeline.name), to_data(after), as_seen(found)),
            Set(layout.audit(pipeline.name, head.sequence), entry, ABSENT),
        ]
        try:
            store.commit([*chained, *edit.writes])
        except (Conflict, OutcomeUnknown):
            tried.add(head)
            continue
        return
    raise Unavailable("could not be changed: others write it all the time", subject=pipeline.name, remedy="Try again.")


def _is_any_in_chain(store: Store, pipeline: Pipeline, heads: Collection[Head]) -> bool:
    found = store.get([layout.audit(pipeline.name, sequence) for sequence in {head.sequence for head in heads}])
    return any(entry.exists and audit.head_of(entry.fields) in heads for entry in found)


def anchor(ports: Ports, pipeline: Pipeline) -> int:
    """Anchor the end of the chain of the hub's edits, where it has grown since; gives the entry's number, or 0. `Rewritten` where
    it is not the chain that was anchored."""
    store = hub_store(ports, pipeline)
    found = store.get([layout.rollout(pipeline.name)])[0]
    state = _rollout(found)
    if state.audit.sequence <= state.anchored:
        return 0
    archiving.anchor(ports.blobs, pipeline.name, state.audit)
    done: Data = {"anchored": state.audit.sequence}
    try:
        store.commit([Update(layout.rollout(pipeline.name), done, (("anchored",),), as_seen(found))])
    except (Conflict, OutcomeUnknown):
        return 0  # somebody edits it: the anchor stands, and the next sweep finds it
    return state.audit.sequence
