"""ISO 3166-2 as the world changed it, through the rules of identity: what changed hands is told, and nothing else."""

from __future__ import annotations

import pytest
from penstock.core.changes import Change
from penstock.core.spelling import folded_name
from penstock.core.values import Data
from support import iso
from support.geography import PIPELINE, created, deactivated, judged, stored, updated, with_rules

NAMES = ("recoded", "code_taken", "same_name", "kind_changed")
RULES = with_rules(**{name: said for name, said in PIPELINE.rules if name in NAMES})
Units = dict[str, Data]  # by id, with their place


def placed(units: Units, gone: Units) -> Units:
    """As a tenant holds them; what is gone from the source stays, inactive."""

    def path(id: str) -> str:
        above = units[id].get("parent")
        return f"{path(above)}.{id}" if above else id

    found = {id: {**unit, "active": False} for id, unit in gone.items()}
    for id, unit in units.items():
        parent = {"landlordParent": unit["parent"], "parentId": unit["parent"]} if unit.get("parent") else {}
        own = {name: unit[name] for name in ("country", "level", "type", "code", "names")}
        found[id] = {**own, **parent, "landlordId": id, "path": path(id), "active": True, "official": True}
    return found


def changes(was: Units, now: Units) -> list[Change]:
    found = []
    for id in sorted(now, key=lambda id: (now[id]["level"], id)):
        if id not in was:
            found.append(created(now[id]))
            continue
        after = {name: now[id].get(name) for name in {**was[id], **now[id]} if was[id].get(name) != now[id].get(name)}
        if after:
            found.append(updated(was[id], "move" if after.keys() & {"path", "parentId"} else "update", **after))
    return found + [deactivated(unit) for id, unit in was.items() if id not in now and unit["active"]]


@pytest.mark.parametrize("size", [3, 350])
@pytest.mark.parametrize("case", iso.GOOD)
def test_what_changed_hands_between_two_releases_is_told_and_nothing_else(case: str, size: int) -> None:
    _, releases = iso.releases(case)
    was: Units = {}
    for release in releases:
        now = placed(release, {})
        made = changes(was, now)
        packs = [made[n : n + size] for n in range(0, len(made), size)]
        found = judged(RULES, stored(*was.values()), *packs) if was else []
        told = {name: {f.key.removeprefix("units/") for f in found if f.rule == name} for name in NAMES}
        both = was.keys() & now.keys()
        assert told["recoded"] == {id for id in both if was[id]["code"] != now[id]["code"]}
        assert told["kind_changed"] == {id for id in both if kind(was[id]) != kind(now[id])}
        holders = {(unit["level"], unit["code"]): id for id, unit in was.items()}
        assert told["code_taken"] == {
            id
            for id, unit in now.items()
            if holders.get((unit["level"], unit["code"]), id) != id and was.get(id, {}).get("code") != unit["code"]
        }
        assert all(f.severity == "blocker" for f in found)
        for f in found:
            if f.rule == "same_name":
                unit = now[f.key.removeprefix("units/")]
                beside = [u for u in (*was.values(), *now.values()) if u.get("parentId") == unit.get("parentId")]
                alike = {u["landlordId"] for u in beside if folded_name(u["names"]["en"]) == folded_name(unit["names"]["en"])}
                assert len(alike) > 1
        was = placed(release, {id: unit for id, unit in was.items() if id not in now})
    assert len(releases) > 1


def kind(unit: Data) -> tuple[int, str]:
    return unit["level"], folded_name(unit["type"])


def last(case: str) -> dict[str, str]:
    """What was told of the newest release, by key and rule."""
    *_, old, new = iso.releases(case)[1]
    was, now = placed(old, {}), placed(new, {})
    found = judged(RULES, stored(*was.values()), changes(was, now))
    return {f"{f.rule} {f.key.removeprefix('units/')}": f.text for f in found}


def test_six_provinces_of_iran_whose_codes_went_round_are_one_ring() -> None:
    told = last("codes changed hands")
    assert told["code_taken ir-ardabil"].startswith("The codes of 6 go round: unit ir-ardabil")
    assert told["code_taken ir-ardabil"] == told["code_taken ir-zanjan"]


def test_a_region_of_france_that_came_again_under_another_id_is_told_with_the_one_that_goes() -> None:
    told = last("regions merged")["same_name fr-provence-alpes-cote-dazur"]
    assert "Provence-Alpes-Côte d'Azur\" (FR-U), which goes with this batch" in told
