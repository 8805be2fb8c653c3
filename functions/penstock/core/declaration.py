"""A pipeline as the engine sees it. `pipelines/schema.py` makes these from YAML; nothing here knows a file or a service."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from penstock.core.cost import Prices
from penstock.core.values import FieldPath

Pick = Literal["latest", "earliest", "smallest", "distinct", "count"]
DeletePolicy = Literal["ignore", "flag", "deactivate", "remove"]


@dataclass(frozen=True, slots=True)
class ChangeCursor:
    """The source field that tells when a record was last changed. `text` stamps start with YYYY-MM-DD, of any zone or
    precision behind it; they are compared as Firestore compares strings. `overlap` is looked at again on every run."""

    field: FieldPath
    kind: Literal["text", "timestamp"]
    overlap: dt.timedelta


@dataclass(frozen=True, slots=True)
class Source:
    """A collection that is read. `project` is a name that settings turn into a project id. `reconcile`: where an entity follows
    deletions, a run at least so long after the last time counts the whole source to find what went; None: only on demand."""

    name: str
    project: str
    database: str
    collection: str
    cursor: ChangeCursor | None  # None: every run scans
    time_zone: str  # IANA; for stamps that carry no zone
    sentinels: frozenset[str]  # texts that mean nothing: "", "N/A", … (compared trimmed, case folded)
    reconcile: dt.timedelta | None = dt.timedelta(days=7)
    partition: FieldPath | None = None  # its values are read once each, for all targets that list them (`Target.partitions`)


@dataclass(frozen=True, slots=True)
class Compare:
    """When two values count as equal. `exact`; `decimals`: numbers rounded to so many; `metres`: this field and its
    partner are one place, equal within so many metres; `folded`: texts equal but for case and spacing; `passive`: never makes
    a change by itself, is written along with one; `union`: a list that only grows, equal when nothing is new; `earliest`: a value
    that only moves back, equal when production's is as early."""

    how: Literal["exact", "decimals", "metres", "folded", "passive", "union", "earliest"] = "exact"
    amount: float = 0.0
    partner: FieldPath | None = None  # `metres`: the longitude's target field, on the latitude; the longitude names the latitude


@dataclass(frozen=True, slots=True)
class Field:
    """One mapped field: nothing that is not named here leaves the source."""

    target: FieldPath
    source: FieldPath
    convert: str  # a converter's name
    options: Mapping[str, Any] = field(default_factory=dict)
    pick: Pick = "latest"  # among the records of one key; latest and earliest by the source's cursor field, smallest by value
    where: tuple[FieldPath, frozenset[str]] | None = None  # only from records whose (raw, trimmed) field is one of these
    compare: Compare = Compare()
    required: bool = False
    blank_erases: bool = False
    progress: bool = False  # the records of one key may differ in it: it follows each one's own progress


@dataclass(frozen=True, slots=True)
class Parent:
    """The entity of the same pipeline that a record belongs to, and the target field that names the parent's key."""

    entity: str
    field: FieldPath


@dataclass(frozen=True, slots=True)
class Deactivate:
    """What stands for a deletion: a target field that is not mapped, and its value. `again` is its value once the source has the
    record again; None: the field is taken out."""

    field: FieldPath
    value: bool | int | str
    again: bool | int | str | None = None


@dataclass(frozen=True, slots=True)
class Levels:
    """Of a tree's levels, counted from 1: the last one that the source owns, and the last one there may be. What lies between
    belongs to the target."""

    official: int
    last: int


@dataclass(frozen=True, slots=True)
class Dependents:
    """A collection of the target whose documents store where they belong: the path of a unit, and in `chain`, from level 1 on,
    the ids that the path consists of."""

    name: str  # as people call them: `members`
    collection: str
    path: FieldPath
    chain: tuple[FieldPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Tree:
    """The records of an entity stand below each other, and its `Parent` names the entity itself. Of each, the target holds two
    fields that no source has: `parent`, the document id of the one above (none at a root), and `path`, the ids from the root down
    to itself, joined by dots. A document that lacks `own` (field, value) is the target's own: no change of it is ever planned,
    and it is written only with what it hangs under, where that moves or goes; documents that a run creates get it."""

    parent: FieldPath
    path: FieldPath
    level: FieldPath  # mapped, an integer
    own: tuple[FieldPath, bool | int | str]
    levels: Levels
    levels_of: Mapping[str, Levels] = field(default_factory=dict)  # by partition, where it is another
    code: FieldPath | None = None  # mapped; no two active records of a level under one parent share it
    dependents: tuple[Dependents, ...] = ()
    name: FieldPath | None = None  # mapped: what people call a unit, a text or texts by language; None: by their ids

    def depth(self, partition: str) -> Levels:
        return self.levels_of.get(partition, self.levels)


@dataclass(frozen=True, slots=True)
class Entity:
    name: str
    source: str
    collection: str  # of the target
    key: FieldPath  # target field of the business key; its value is the document id of what is created
    fields: tuple[Field, ...]
    group_by: FieldPath | None  # source field whose value holds records together; None: each record by itself
    parent: Parent | None = None
    on_delete: DeletePolicy = "ignore"
    deactivate: Deactivate | None = None  # for that policy
    deleted_where: tuple[FieldPath, frozenset[str]] | None = (
        None  # tombstones: records whose (raw, trimmed) field is one of these
    )
    spellings: tuple[str, ...] | None = None  # None: production is not asked for other spellings of a key; () for case and
    # spaces alone; else with and without these prefixes. Each spelling asked for is a billed read for every CREATE
    tree: Tree | None = None

    @property
    def key_field(self) -> Field:
        return next(f for f in self.fields if f.target == self.key)


@dataclass(frozen=True, slots=True)
class Harmless:
    """A class of changes: new records of an entity, or updates that touch these fields, what lies within them, and no others."""

    entity: str
    action: Literal["create", "update"]
    fields: tuple[FieldPath, ...] = ()


@dataclass(frozen=True, slots=True)
class Gate:
    """Who decides. Addresses are names that settings turn into lists of addresses. `auto_approve`: the names of the pipeline's
    harmless classes that nobody is asked about, where a batch holds nothing else."""

    approvers: str
    approvals: int = 1  # how many different people must approve
    expires: dt.timedelta = dt.timedelta(days=7)
    operators: str = ""  # who may do all but decide, on every target; "": nobody
    auto_approve: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Freeze:
    """A span in which no promotion begins, in the pipeline's time zone: on the days from `first` to `last`, both included, that
    are one of `days` (0 is Monday; none: every day), from `begins` until `ends`, in minutes of the day (1440: its end)."""

    first: dt.date | None = None
    last: dt.date | None = None
    days: frozenset[int] = frozenset()
    begins: int = 0
    ends: int = 1_440


@dataclass(frozen=True, slots=True)
class Brakes:
    """Bands that a run stays within; beyond them a person decides knowingly. None: that brake is off.

    Of a batch, `changed_share`: 0..1 of production's records; `deleted_share`: 0..1 of an entity's production records, as much as
    it may remove or deactivate. Of a source, before anything of it is staged, `minimum_source`: documents that it must hold; and
    compared with its last complete read `shrunken`: 0..1 by which it may hold fewer documents; `replaced`: 0..1 of the documents
    known then that may be gone, told by a sample; `older`: how far its newest change stamp may lie before the watermark;
    `header`: `mapped` fields that are gone or renamed, or `any` field that came or went. Of a run, `max_operations` that the
    database bills, and `max_usd`: the capture stops there, and a batch foreseen to cost more in all carries a blocker."""

    changed_share: float = 1.0
    deleted_share: float = 0.05
    minimum_source: int = 0
    shrunken: float | None = None
    replaced: float | None = None
    older: dt.timedelta | None = None
    header: Literal["ignore", "mapped", "any"] = "ignore"
    freeze: tuple[Freeze, ...] = ()
    max_operations: int | None = None
    max_usd: float | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """Where a pipeline writes. `project` is a name that settings turn into a project id."""

    name: str
    project: str
    database: str
    prefix: str = ""  # put before every collection: "tenants/nepal/" or nothing
    partitions: tuple[str, ...] = ()  # of a partitioned source, those that the target takes
    approvers: tuple[str, ...] = ()  # addresses; (): whom the pipeline's gate names
    approvals: int | None = None  # None: as many as the gate says
    expires: dt.timedelta | None = None  # None: as the gate says
    auto_approve: tuple[str, ...] | None = None  # None: as the gate says
    stage: str = ""  # of the rollout; "": runs whichever stages are open
    active: bool = False  # run by the pipeline's `active_schedule` too
    enabled: bool = True  # run at all
    brakes: Mapping[str, Any] = field(default_factory=dict)  # bands of its own, by their names in `Brakes`


@dataclass(frozen=True, slots=True)
class Hub:
    """The database that holds what the targets of a pipeline have in common: their declarations, which operators write, and what
    was read of partitioned sources. `project` is a name that settings turn into a project id."""

    project: str
    database: str = "(default)"


@dataclass(frozen=True, slots=True)
class Pipeline:
    name: str
    title: str
    sources: Mapping[str, Source]
    entities: tuple[Entity, ...]  # parents before children
    targets: tuple[Target, ...]  # (): documents of the hub declare them
    rules: tuple[tuple[str, Any], ...]  # (rule name, its settings object)
    gate: Gate
    brakes: Brakes
    schedule: str  # cron, five fields
    time_zone: str
    backup_retention: dt.timedelta
    staging_retention: dt.timedelta
    rollback_window: dt.timedelta
    readback_share: float = 0.02
    prices: Prices = Prices()  # noqa: RUF009 - a constant
    hub: Hub | None = None
    active_schedule: str = ""  # cron; of active targets
    api: str = ""  # served at `/tenants/{target}/{api}`; "": not at all
    harmless: Mapping[str, Harmless] = field(default_factory=dict)

    def on(self, target: Target) -> Pipeline:
        """The pipeline as it runs on this target alone: where the target has a gate or bands of its own, those hold."""
        gate = self.gate
        gate = replace(gate, approvals=target.approvals or gate.approvals, expires=target.expires or gate.expires)
        if target.auto_approve is not None:
            gate = replace(gate, auto_approve=target.auto_approve)
        return replace(self, targets=(target,), gate=gate, brakes=replace(self.brakes, **target.brakes))

    @property
    def approved_unasked(self) -> Mapping[str, Harmless]:
        """The harmless classes that the gate asks nobody about."""
        return {name: of for name, of in self.harmless.items() if name in self.gate.auto_approve}

    @property
    def shared(self) -> Source | None:
        """The source that is read by partition, once for all targets: at most one."""
        return next((s for s in self.sources.values() if s.partition), None)

    @property
    def tree(self) -> Entity | None:
        """The entity that is a tree: at most one."""
        return next((e for e in self.entities if e.tree), None)

    @property
    def named(self) -> Entity:
        """The entity whose records people name by their key alone."""
        return self.tree or self.entities[0]

    def version_of(self, entity: Entity) -> FieldPath | None:
        """The target field that holds a record's own change stamp, where it is mapped."""
        cursor = self.sources[entity.source].cursor
        stamps = (f.target for f in entity.fields if cursor and f.source == cursor.field and f.convert == "timestamp")
        return next(stamps, None)

    def entity(self, name: str) -> Entity:
        for entity in self.entities:
            if entity.name == name:
                return entity
        raise LookupError(name)  # the loader demands that what is named is declared
