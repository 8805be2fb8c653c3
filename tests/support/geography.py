"""Units of a tenant and changes to them, as small as a test of rules needs them, and rules that are asked about them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from penstock.core import rules
from penstock.core.changes import Action, Change, FieldDiff, Finding
from penstock.core.declaration import Pipeline
from penstock.core.packs import decode_change, encode_change
from penstock.core.records import Snapshot
from penstock.core.rules import Answer, Below, Count, Get, Lookup, Named
from penstock.core.tree import Place, Step
from penstock.core.values import Data, Timestamp, get_in
from penstock.pipelines.schema import load_all

PIPELINE = load_all()["tenant_geography"]
UNITS, MEMBERS = "geography", "members"
SEEN = Timestamp(1_750_000_000)
Documents = Mapping[str, Data]  # by path


def unit(path: str, **fields: Any) -> Data:
    """An official unit; the ids of its path are those of the landlord, too."""
    ids = path.split(".")
    above = {"landlordParent": ids[-2], "parentId": ids[-2]} if len(ids) > 1 else {}
    named = {"type": f"type {len(ids)}", "code": ids[-1].upper(), "names": {"en": f"Unit {ids[-1]}"}, "active": True}
    own = {"landlordId": ids[-1], "country": "NP", "level": len(ids), "path": path, "official": True}
    return {**own, **above, **named, **fields}


def custom(path: str, **fields: Any) -> Data:
    data = unit(path, **fields)
    return {name: value for name, value in data.items() if name not in ("landlordId", "landlordParent", "official")}


def member(path: str) -> Data:
    return {"unitPath": path, **{f"unit{n}": id for n, id in enumerate(path.split("."), 1)}}


def stored(*units: Data, members: Iterable[Data] = ()) -> dict[str, Data]:
    """Documents by path."""
    found = {f"{UNITS}/{data['path'].rpartition('.')[2]}": data for data in units}
    return found | {f"{MEMBERS}/m{n}": data for n, data in enumerate(members)}


def created(data: Data) -> Change:
    id = data["path"].rpartition(".")[2]
    place = Place("create", data["level"], data.get("parentId", ""), data["path"])
    key, path = f"units/{data['landlordId']}", f"{UNITS}/{id}"
    made = Change(key, "units", data["landlordId"], path, Action.CREATE, None, None, data, (), "f", {"place": place})
    return decode_change(encode_change(made))  # with the diff of a staged one


def updated(before: Data, step: Step = "update", **after: Any) -> Change:
    """None takes a field out."""
    id = before["path"].rpartition(".")[2]
    diff = tuple(FieldDiff((name,), before.get(name), value) for name, value in after.items())
    now = {**before, **after}
    place = Place(step, now["level"], now.get("parentId") or "", now["path"])
    held = {name: value for name, value in after.items() if value is not None}
    key, path = f"units/{before.get('landlordId', id)}", f"{UNITS}/{id}"
    return Change(key, "units", key[6:], path, Action.UPDATE, before, SEEN, held, diff, "f", {"place": place})


def deactivated(before: Data) -> Change:
    return updated(before, "deactivate", active=False)


def answer(asked: Lookup, documents: Documents) -> Answer:
    """By looking at every document."""
    if isinstance(asked, Get):
        return Snapshot(asked.path, documents.get(asked.path), SEEN if asked.path in documents else None)
    if isinstance(asked, Named):
        return tuple(Snapshot(path, documents[path], SEEN) for path in asked.paths if path in documents)
    of = {path: data for path, data in documents.items() if path.rpartition("/")[0] == asked.collection}

    def holds(data: Data, equal: Iterable[tuple[Any, Any]]) -> bool:
        return all(get_in(data, f) in (v if isinstance(v, tuple) else (v,)) for f, v in equal)

    if isinstance(asked, Count):
        return sum(holds(data, [(asked.field, asked.value)]) for data in of.values())
    if isinstance(asked, Below):
        below = (d for d in of.values() if str(get_in(d, asked.field)).startswith(f"{asked.path}."))
        return sum(holds(data, asked.equal) for data in below)
    found = [Snapshot(path, data, SEEN) for path, data in sorted(of.items()) if holds(data, asked.equal)]
    return tuple(found[: asked.most])


def with_rules(**settings: Any) -> Pipeline:
    """The pipeline with these rules alone."""
    return replace(PIPELINE, rules=tuple(settings.items()))


def judged(pipeline: Pipeline, documents: Documents, *packs: Iterable[Change]) -> list[Finding]:
    """What rules say of packs and of the batch that they make."""
    said, gathered = [], []
    for pack in map(list, packs):
        judging = answered(pipeline, documents, pack)
        said += judging.check()
        gathered.append(judging.gather())
    return [*said, *rules.judge(pipeline, gathered, {}).findings]


def answered(pipeline: Pipeline, documents: Documents, pack: Sequence[Change]) -> rules.Judging:
    """The rules, with what they asked of these documents."""
    judging = rules.Judging(pipeline, "", pack)
    while asked := judging.asks():
        judging.found |= {lookup: answer(lookup, documents) for lookup in asked}
    return judging


def asked_of(pipeline: Pipeline, documents: Documents, *changes: Change) -> list[Lookup]:
    return list(answered(pipeline, documents, changes).found)
