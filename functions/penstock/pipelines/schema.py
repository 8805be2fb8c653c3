"""Pipeline files: one YAML file per pipeline, read and checked whole. `load` gives the engine's declaration, or one error that
lists every mistake with its line, its place and its remedy."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from penstock.core.converters import CONVERTERS
from penstock.core.cost import Prices
from penstock.core.declaration import (
    Brakes,
    ChangeCursor,
    Compare,
    Deactivate,
    Dependents,
    Entity,
    Field,
    Freeze,
    Gate,
    Harmless,
    Hub,
    Levels,
    Parent,
    Pipeline,
    Source,
    Target,
    Tree,
)
from penstock.core.errors import InvalidInput
from penstock.core.rules import RULES, dependents, lineage, removal
from penstock.core.values import FieldPath
from penstock.pipelines import combinations
from penstock.pipelines.explained import explain
from penstock.pipelines.located import Located, Mistake, Place, read
from penstock.pipelines.models import (
    WEEKDAYS,
    BrakesModel,
    EntityModel,
    FieldModel,
    GateModel,
    LevelsModel,
    PipelineModel,
    SourceModel,
    TreeModel,
)
from penstock.pipelines.suggest import meant

FOLDER = Path(__file__).parent

_HARMLESS: Mapping[Hashable, str] = {  # stand in for required values that are missing or wrong, while the rest is judged
    **dict.fromkeys(("name", "title", "project", "collection", "approvers"), "x"),
    **dict.fromkeys(("overlap", "rollback_window"), "2 days"),
    **dict.fromkeys(("backups", "staging"), "9999 days"),
    "schedule": "0 0 * * *",
    "time_zone": "UTC",
    "kind": "timestamp",
}


class Mistaken(InvalidInput):
    """A pipeline file holds mistakes. `mistakes` has all of them: (line, dotted place, what is wrong and what to do)."""

    def __init__(self, subject: str, mistakes: Sequence[tuple[int, str, str]]) -> None:
        self.mistakes = tuple(mistakes)
        told = [f"\n  line {line}, {place or 'the file'}: {text}" for line, place, text in mistakes]
        count = "1 mistake" if len(told) == 1 else f"{len(told)} mistakes"
        super().__init__(f"has {count}.{''.join(told)}", subject=subject, remedy="\nNothing was loaded from this file.")


def load_all(folder: Path = FOLDER, only: Collection[str] = ()) -> dict[str, Pipeline]:
    """Every pipeline of a folder by name, or those named. Raises `InvalidInput` for the mistakes of all files together."""
    found: dict[str, Pipeline] = {}
    files = sorted(folder.glob("*.yaml"))
    strange = set(only) - {path.stem for path in files}
    wrong = [f"There is no pipeline `{name}`.{meant(name, [path.stem for path in files])}" for name in sorted(strange)]
    for path in (path for path in files if not only or path.stem in only):
        try:
            found[path.stem] = load(path)
        except InvalidInput as error:
            wrong.append(str(error))
    served: dict[str, str] = {}
    for name, pipeline in found.items():
        if pipeline.api and (other := served.setdefault(pipeline.api, name)) != name:
            wrong.append(f"{name}.yaml: `api: {pipeline.api}` is that of {other}.yaml. Name one of them otherwise.")
    if wrong:
        raise InvalidInput("\n".join(wrong))
    return found


def load(path: Path) -> Pipeline:
    """The pipeline of one file; raises `InvalidInput`."""
    try:
        located = read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"cannot be read: {error.strerror}.", subject=str(path), remedy="Check the name.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        what = f"is no YAML{line}: {getattr(error, 'problem', None) or error}."
        raise InvalidInput(what, subject=path.name, remedy="Correct the text there.") from None
    if not isinstance(located.data, dict):
        raise InvalidInput("holds no pipeline.", subject=path.name, remedy="Begin with `name:` and `title:`.")
    model, mistakes = _structure(located)
    rules: dict[str, Any] = {}
    if model is not None:
        for name, raw in model.rules.items():
            rules[name] = _settings("rule", RULES, name, raw or {}, ("rules", name), mistakes)
        for entity_name, entity in model.entities.items():
            for target, field in entity.fields.items():
                _options(field, ("entities", entity_name, "fields", target), mistakes)
        mistakes += combinations.mistakes(model, {name: s for name, s in rules.items() if s is not None})
        if model.name != path.stem and located.data.get("name") == model.name:
            mistakes.append(Mistake(("name",), f"is `{model.name}` in a file called {path.name}. Make the two alike."))
    if mistakes or model is None:
        raise _refusal(path, located, mistakes)
    return _pipeline(model, rules)


def _refusal(path: Path, located: Located, mistakes: list[Mistake]) -> Mistaken:
    return Mistaken(path.name, sorted({(located.line(m.place), ".".join(map(str, m.place)), m.text) for m in mistakes}))


def _structure(located: Located) -> tuple[PipelineModel | None, list[Mistake]]:
    """The file's model. What is wrong by itself is told and mended for now, so that the rest can be judged too."""
    mistakes = list(located.mistakes)
    data = located.data
    try:
        return PipelineModel.model_validate(data), mistakes
    except ValidationError as error:
        for found in error.errors():
            mistakes.append(Mistake(found["loc"], explain(found, PipelineModel)))
            data = _mended(data, found["loc"])
    try:
        return PipelineModel.model_validate(data), mistakes
    except ValidationError:
        return None, mistakes


def _mended(data: Any, place: Place) -> Any:
    """A copy of the data with something harmless in one place, or nothing."""
    if not place or not isinstance(data, dict):
        return data
    first, rest = place[0], place[1:]
    if rest:
        return {**data, first: _mended(data.get(first), rest)}
    others = {key: value for key, value in data.items() if key != first}
    return others | {first: _HARMLESS[first]} if first in _HARMLESS else others


def _settings(kind: str, known: Mapping[str, Any], name: str, raw: Mapping[str, Any], at: Place, mistakes: list[Mistake]) -> Any:
    """The settings object of a rule or converter; None, and mistakes told, where it cannot be made."""
    if name not in known:
        mistakes.append(Mistake(at, f"`{name}` is no {kind}.{meant(name, known)} Known: {', '.join(sorted(known))}."))
        return None
    cls = known[name].settings if kind == "rule" else known[name]
    names = [f.name for f in dataclasses.fields(cls)]
    stray = [key for key in raw if key not in names]
    for key in stray:
        says = f"Known: {', '.join(names)}." if names else f"`{name}` has no settings."
        mistakes.append(Mistake((*at, key), f"is no setting of `{name}`.{meant(key, names)} {says}"))
    try:
        made = TypeAdapter(cls).validate_python({key: value for key, value in raw.items() if key in names})
    except ValidationError as error:
        mistakes += [Mistake((*at, *found["loc"]), explain(found, PipelineModel)) for found in error.errors()]
        return None
    return None if stray else made


def _options(field: FieldModel, at: Place, mistakes: list[Mistake]) -> None:
    place = (*at, "options") if field.convert in CONVERTERS else (*at, "convert")
    made = _settings("converter", CONVERTERS, field.convert, field.options, place, mistakes)
    pattern = getattr(made, "pattern", None)
    if pattern is not None:
        try:
            re.compile(pattern)
        except re.error as error:
            mistakes.append(Mistake((*at, "options", "pattern"), f"is no regular expression: {error}. Correct it."))
    also = getattr(made, "also", {})
    stray = {word for word in also.values() if word not in made.values}
    told = "leads to `{}`, which is not among the values. Add it there."
    mistakes += [Mistake((*at, "options", "also"), told.format(word)) for word in stray]


def _pipeline(model: PipelineModel, rules: Mapping[str, Any]) -> Pipeline:
    return Pipeline(
        name=model.name,
        title=model.title,
        sources={name: _source(name, source) for name, source in model.sources.items()},
        entities=tuple(_entity(name, entity) for name, entity in model.entities.items()),
        targets=tuple(Target(name, t.project, t.database, t.prefix) for name, t in model.targets.items()),
        rules=tuple({**rules, **_always(model)}.items()),
        gate=_gate(model.gate),
        brakes=_brakes(model.brakes),
        prices=Prices(**model.prices.model_dump()),
        schedule=model.schedule,
        time_zone=model.time_zone,
        backup_retention=model.retention.backups,
        staging_retention=model.retention.staging,
        rollback_window=model.retention.rollback_window,
        readback_share=model.readback_share,
        hub=Hub(model.hub.project, model.hub.database) if model.hub else None,
        active_schedule=model.active_schedule or "",
        api=model.api or "",
        harmless={name: Harmless(h.entity, h.action, tuple(h.fields)) for name, h in model.harmless.items()},
    )


def _gate(g: GateModel) -> Gate:
    return Gate(g.approvers, g.approvals, g.expires, g.operators or "", tuple(g.auto_approve))


_OF_TREES = {dependents.NAME: dependents.Settings(), lineage.NAME: lineage.Settings()}


def _always(model: PipelineModel) -> dict[str, Any]:
    """Rules that a pipeline has without naming them."""
    removes = any(entity.on_delete == "remove" for entity in model.entities.values())
    grows = any(entity.tree is not None for entity in model.entities.values())
    return ({removal.NAME: removal.Settings()} if removes else {}) | (_OF_TREES if grows else {})


def _brakes(b: BrakesModel) -> Brakes:
    freeze = tuple(Freeze(f.from_, f.to, frozenset(map(WEEKDAYS.index, f.days or ())), *(f.hours or ())) for f in b.freeze)
    source = b.minimum_source, b.shrunken, b.replaced, b.older, b.header
    return Brakes(b.changed_share, b.deleted_share, *source, freeze, b.max_operations, b.max_usd)


def _source(name: str, s: SourceModel) -> Source:
    cursor = (
        ChangeCursor(s.cursor.field, "text" if s.cursor.kind == "text" else "timestamp", s.cursor.overlap) if s.cursor else None
    )
    return Source(name, s.project, s.database, s.collection, cursor, s.time_zone, frozenset(s.nothing), s.reconcile, s.partition)


def _entity(name: str, e: EntityModel) -> Entity:
    fields = {tuple(target.split(".")): field for target, field in e.fields.items()}
    latitudes = {field.compare.partner: (path, field.compare.metres) for path, field in fields.items() if field.compare.partner}
    return Entity(
        name=name,
        source=e.source,
        collection=e.collection,
        key=e.key,
        fields=tuple(_field(path, f, path == e.key, latitudes.get(path)) for path, f in fields.items()),
        group_by=e.group_by,
        parent=Parent(e.parent.entity, e.parent.field) if e.parent else None,
        on_delete=e.on_delete,
        deactivate=Deactivate(e.deactivate.field, e.deactivate.value, e.deactivate.again) if e.deactivate else None,
        deleted_where=(e.deleted_where.field, frozenset(e.deleted_where.is_)) if e.deleted_where else None,
        spellings=None if e.spellings is None else tuple(e.spellings),
        tree=_tree(e.tree) if e.tree else None,
    )


def _tree(t: TreeModel) -> Tree:
    def levels(of: LevelsModel) -> Levels:
        return Levels(of.official, of.last)

    return Tree(
        t.parent,
        t.path,
        t.level,
        (t.own.field, t.own.value),
        levels(t.levels),
        {partition: levels(of) for partition, of in t.levels_of.items()},
        t.code,
        tuple(Dependents(name, d.collection, d.path, tuple(d.chain)) for name, d in t.dependents.items()),
        t.name,
    )


def _field(path: FieldPath, f: FieldModel, is_key: bool, latitude: tuple[FieldPath, float | None] | None) -> Field:
    c = f.compare
    if latitude is not None:
        compare = Compare("metres", latitude[1] or 0.0, latitude[0])
    elif c.metres is not None:
        compare = Compare("metres", c.metres, c.partner)
    elif c.decimals is not None:
        compare = Compare("decimals", c.decimals)
    else:
        compare = Compare(c.how)
    where = (f.where.field, frozenset(f.where.is_)) if f.where else None
    return Field(
        path, f.from_, f.convert, _listless(f.options), f.pick, where, compare, f.required or is_key, f.blank_erases, f.progress
    )


def _listless(options: Mapping[str, Any]) -> dict[str, Any]:
    """Lists as tuples: converters are frozen."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in options.items()}
