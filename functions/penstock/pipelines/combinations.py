"""Combinations that a pipeline file can spell and the engine cannot run. Each is told with its place and its remedy."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from penstock.core.layout import STAMP
from penstock.core.rules import dependents, impact, lineage, same_name
from penstock.core.values import FieldPath
from penstock.pipelines.located import Mistake, Place
from penstock.pipelines.models import EntityModel, FieldModel, FreezeModel, PipelineModel
from penstock.pipelines.suggest import meant

LONGEST_PROMOTION = dt.timedelta(days=1)  # a pack's retention begins when it is promoted, the window when the last of them is
OF_TREES = (dependents.NAME, impact.NAME, lineage.NAME, same_name.NAME)  # rules
_ORDERED = ("text", "identifier", "number", "integer", "timestamp", "enum")


def mistakes(pipeline: PipelineModel, rules: Mapping[str, Any]) -> Iterator[Mistake]:
    """`rules` are the settings objects by name, as far as they could be made."""
    yield from _sources(pipeline)
    for name, entity in pipeline.entities.items():
        yield from _entity(pipeline, name, entity, ("entities", name))
    seen: dict[tuple[str, str, str], str] = {}
    for name, target in pipeline.targets.items():
        first = seen.setdefault((target.project, target.database, target.prefix), name)
        if first != name:
            yield Mistake(("targets", name), f"writes to the same place as `{first}`. Give it its own database or prefix.")
    yield from _hub(pipeline)
    yield from _harmless(pipeline)
    for name, settings in rules.items():
        yield from _rule(pipeline, settings, ("rules", name))
    kept = pipeline.retention
    if kept.rollback_window + LONGEST_PROMOTION > kept.staging:
        text = (
            "must be a day shorter than `staging`, or more: a rollback is planned from staged packs. Shorten it, or keep those."
        )
        yield Mistake(("retention", "rollback_window"), text)
    if kept.rollback_window > kept.backups:
        text = "is longer than `backups`: the prior images would be gone before it ends. Shorten it, or keep those longer."
        yield Mistake(("retention", "rollback_window"), text)
    for place, freeze in enumerate(pipeline.brakes.freeze):
        yield from _freeze(freeze, ("brakes", "freeze", place))


def _freeze(freeze: FreezeModel, at: Place) -> Iterator[Mistake]:
    if not (freeze.from_ or freeze.to or freeze.days or freeze.hours):
        yield Mistake(at, "freezes all for ever. Name the days `from` and `to`, week `days`, or `hours`; or pause the target.")
    if freeze.from_ and not freeze.to and not freeze.days and not freeze.hours:
        yield Mistake(at, "begins and never ends. Name the last day: `to`.")
    if freeze.from_ and freeze.to and freeze.to < freeze.from_:
        yield Mistake((*at, "to"), f"lies before {freeze.from_}. Put the days in order.")


def _sources(pipeline: PipelineModel) -> Iterator[Mistake]:
    read = {entity.source for entity in pipeline.entities.values()}
    for name, source in pipeline.sources.items():
        if name not in read:
            yield Mistake(("sources", name), "is read by no entity. Remove it, or name it as an entity's source.")
        cursor = source.cursor
        if cursor and cursor.kind == "text" and cursor.overlap < dt.timedelta(days=1):
            text = "is too short: text stamps of several time zones are out of order by up to a day. Make it `1 day` or more."
            yield Mistake(("sources", name, "cursor", "overlap"), text)


def _entity(pipeline: PipelineModel, name: str, entity: EntityModel, at: Place) -> Iterator[Mistake]:
    source = pipeline.sources.get(entity.source)
    if source is None:
        yield Mistake((*at, "source"), f"`{entity.source}` is no source of this file.{meant(entity.source, pipeline.sources)}")
    targets = {tuple(target.split(".")): field for target, field in entity.fields.items()}
    key = targets.get(entity.key)
    key_name = ".".join(entity.key)
    if key is None:
        yield Mistake((*at, "key"), f"`{key_name}` is not mapped. Add it to `fields`.{meant(key_name, entity.fields)}")
    elif key.required is False or key.blank_erases or key.where or key.pick in ("distinct", "count"):
        text = "is the key: it is always required, never erased, and read from every record. Remove what says otherwise."
        yield Mistake((*at, "fields", key_name), text)
    if entity.parent:
        earlier = list(pipeline.entities)[: list(pipeline.entities).index(name) + bool(entity.tree)]
        if entity.parent.entity not in earlier:
            text = f"`{entity.parent.entity}` does not stand before `{name}`. Put parents first: they are created first."
            yield Mistake((*at, "parent", "entity"), text)
        if entity.parent.field not in targets:
            yield Mistake((*at, "parent", "field"), f"`{'.'.join(entity.parent.field)}` is not mapped. Add it to `fields`.")
    yield from _deletes(entity, targets, at)
    yield from _tree(pipeline, name, entity, targets, at)
    for path, field in targets.items():
        yield from _field(targets, path, field, (*at, "fields", ".".join(path)))
        if entity.group_by and source and source.cursor is None and field.pick in ("latest", "earliest"):
            text = f"picks the {field.pick} record, and source `{entity.source}` has no cursor to tell it by. Give it one."
            yield Mistake((*at, "fields", ".".join(path), "pick"), text)
            break


def _deletes(entity: EntityModel, targets: Mapping[FieldPath, FieldModel], at: Place) -> Iterator[Mistake]:
    off = entity.deactivate
    if entity.on_delete == "deactivate" and off is None:
        text = "needs a field and a value that mean so. Add `deactivate: {field: active, value: false, again: true}`."
        yield Mistake((*at, "on_delete"), text)
    if off is None:
        return
    place, name = (*at, "deactivate"), ".".join(off.field)
    if entity.on_delete != "deactivate":
        yield Mistake(place, f"plays no part, for `on_delete` is `{entity.on_delete}`. Remove it, or make that `deactivate`.")
    if off.field[0] == STAMP:
        yield Mistake((*place, "field"), f"`{name}` is not free: `{STAMP}` says who let a record in. Choose another field.")
    if not entity.tree and any(_overlap(off.field, path) for path in targets):
        yield Mistake((*place, "field"), f"`{name}` is mapped: the source would write it too. Choose a field that is not.")
    if off.again == off.value and type(off.again) is type(off.value):
        yield Mistake((*place, "again"), "is what deactivates. Give another value, or none.")


def _overlap(one: FieldPath, other: FieldPath) -> bool:
    return one[: len(other)] == other or other[: len(one)] == one


def _hub(pipeline: PipelineModel) -> Iterator[Mistake]:
    partitioned = [name for name, source in pipeline.sources.items() if source.partition]
    if pipeline.hub is None:
        if not pipeline.targets:
            yield Mistake(("targets",), "are none. Name one, or a `hub`, in which operators declare them.")
        for name in partitioned:
            yield Mistake(("sources", name, "partition"), "needs a `hub`, where what was read of each partition lies. Add one.")
        if pipeline.active_schedule:
            yield Mistake(("active_schedule",), "is for targets that a `hub` declares. Add one, or remove this.")
    elif pipeline.targets:
        yield Mistake(("targets",), "are declared in the hub. Remove them, or the `hub`.")
    for name in partitioned[1:]:
        text = f"is a second one, beside that of `{partitioned[0]}`. A pipeline has one source that its targets share."
        yield Mistake(("sources", name, "partition"), text)
    for name, entity in pipeline.entities.items():
        if entity.source in partitioned and entity.group_by:
            yield Mistake(("entities", name, "group_by"), "plays no part where a source is read by partition. Remove it.")
    if partitioned and pipeline.brakes.header == "any":
        text = "cannot be told of a source that is read by partition: only mapped fields leave it. Make it `mapped`."
        yield Mistake(("brakes", "header"), text)


def _harmless(pipeline: PipelineModel) -> Iterator[Mistake]:
    """Updates of what says where a record belongs, which one it is, or whether it counts, are never approved unasked."""
    for name, of in pipeline.harmless.items():
        at: Place = ("harmless", name)
        entity = pipeline.entities.get(of.entity)
        if entity is None:
            yield Mistake((*at, "entity"), f"`{of.entity}` is no entity of this file.{meant(of.entity, pipeline.entities)}")
            continue
        if of.action == "create" and of.fields:
            yield Mistake((*at, "fields"), "play no part, for a new record has all of its fields. Remove them.")
        if of.action == "update" and not of.fields:
            yield Mistake((*at, "fields"), "are none. Name those that may change without a word.")
        own = [entity.key, entity.parent and entity.parent.field, entity.deactivate and entity.deactivate.field]
        own += [entity.tree.level, entity.tree.code] if entity.tree else []
        for n, path in enumerate(of.fields):
            place, told = (*at, "fields", n), f"`{'.'.join(path)}`"
            if not any(_overlap(path, tuple(field.split("."))) for field in entity.fields):
                yield Mistake(place, f"{told} is not mapped by `{of.entity}`.{meant('.'.join(path), entity.fields)}")
            elif any(_overlap(path, field) for field in own if field):
                yield Mistake(place, f"{told} says which record it is, where it belongs or whether it counts. Remove it.")
    for n, name in enumerate(pipeline.gate.auto_approve):
        if name not in pipeline.harmless:
            known = meant(name, pipeline.harmless)
            yield Mistake(("gate", "auto_approve", n), f"`{name}` is no class under `harmless`.{known} Name one there.")


def _tree(
    pipeline: PipelineModel, name: str, entity: EntityModel, targets: Mapping[FieldPath, FieldModel], at: Place
) -> Iterator[Mistake]:
    tree, place = entity.tree, (*at, "tree")
    if tree is None:
        return
    if entity.parent is None or entity.parent.entity != name:
        yield Mistake(place, f"needs `parent: {{entity: {name}, field: …}}`, the field that names the key of the record above.")
    if entity.group_by:
        yield Mistake((*at, "group_by"), "plays no part in a tree, whose records stand each for itself. Remove it.")
    if entity.on_delete == "remove":
        yield Mistake(
            (*at, "on_delete"), "would leave what hangs below without a place. Make it `deactivate`, `flag` or `ignore`."
        )
    if len([e for e in pipeline.entities.values() if e.tree]) > 1:
        yield Mistake(place, "is one of several. A pipeline has one tree.")
    for key, needed in (("level", tree.level), ("code", tree.code), ("name", tree.name)):
        if needed and needed not in targets:
            yield Mistake((*place, key), f"`{'.'.join(needed)}` is not mapped. Add it to `fields`.")
    for key, field in (("parent", tree.parent), ("path", tree.path), ("own", tree.own.field)):
        if any(_overlap(field, path) for path in targets):
            yield Mistake((*place, key), f"`{'.'.join(field)}` is mapped: the engine works it out. Choose a field that is not.")
    of_partitions = (((*place, "levels_of", partition), levels) for partition, levels in tree.levels_of.items())
    for where, levels in (((*place, "levels"), tree.levels), *of_partitions):
        if levels.last < levels.official:
            yield Mistake(where, f"end at {levels.last}, above {levels.official}. Put them in order.")
    for taken in {name, *impact.ROWS} & set(tree.dependents):
        yield Mistake((*place, "dependents", taken), "is what findings call units of the tree. Give these another name.")


def _field(targets: Mapping[FieldPath, FieldModel], path: FieldPath, field: FieldModel, at: Place) -> Iterator[Mistake]:
    compare = field.compare
    if path[0] == STAMP:
        yield Mistake(at, f"is not free: `{STAMP}` is where production records say who let them in. Map it elsewhere.")
    outer = next((path[:n] for n in range(1, len(path)) if path[:n] in targets), None)
    if outer:
        yield Mistake(at, f"lies inside `{'.'.join(outer)}`, which is mapped too. Map one of them.")
    if compare.how != "exact" and (compare.decimals is not None or compare.metres is not None):
        yield Mistake((*at, "compare"), "says two things. Keep `how`, `decimals` or `metres`.")
    if compare.how == "union" and field.pick != "distinct" and field.convert != "list":
        yield Mistake((*at, "compare"), "`union` needs a list. Add `pick: distinct`, or convert to `list`.")
    if compare.how == "earliest" and field.pick != "smallest":
        yield Mistake((*at, "compare"), "`earliest` only moves back, so the smallest value must be picked. Add `pick: smallest`.")
    if field.pick == "smallest" and field.convert not in _ORDERED:
        yield Mistake(
            (*at, "pick"), f"`smallest` needs values in an order: {', '.join(_ORDERED)}. Convert to one, or pick otherwise."
        )
    if field.pick == "distinct" and field.convert == "list":
        yield Mistake((*at, "pick"), "would make a list of lists, which Firestore cannot hold. Pick `latest`.")
    if compare.metres is None:
        if compare.partner:
            yield Mistake((*at, "compare", "partner"), "is for `metres` alone. Remove it, or add `metres`.")
        return
    if field.convert == "geopoint" and not compare.partner:
        return
    partner = targets.get(compare.partner) if compare.partner else None
    if field.convert != "latitude" or partner is None or partner.convert != "longitude":
        text = "`metres` stands on a field of converter `latitude` and names the mapped longitude as its `partner`."
        yield Mistake((*at, "compare"), text)
    elif (partner.pick, partner.where) != (field.pick, field.where) or field.pick not in ("latest", "earliest"):
        yield Mistake(at, "and its longitude must be picked alike, latest or earliest: else the place is mixed of two records.")
    elif partner.compare.model_fields_set:
        name = ".".join(compare.partner or ())
        yield Mistake((*at[:-1], name, "compare"), "is told by the latitude already: the two are one place. Remove it.")


def _rule(pipeline: PipelineModel, settings: Any, at: Place) -> Iterator[Mistake]:
    mapped = {name for entity in pipeline.entities.values() for name in entity.fields}
    several = [(key, name) for key in ("fields", "within") for name in getattr(settings, key, ())]
    single = [(key, name) for key in ("field", "code", "name", "type") if (name := getattr(settings, key, None))]
    for key, name in several + single:
        if name not in mapped:
            yield Mistake((*at, key), f"`{name}` is mapped by no entity.{meant(name, mapped)}")
    if at[-1] in OF_TREES and not any(entity.tree for entity in pipeline.entities.values()):
        yield Mistake(at, "is about the units of a tree, and no entity is one. Remove it, or declare the `tree`.")
    entity = getattr(settings, "entity", None)
    if entity and (entity not in pipeline.entities or pipeline.entities[entity].parent is None):
        yield Mistake((*at, "entity"), f"`{entity}` is no entity with a parent.{meant(entity, pipeline.entities)}")
