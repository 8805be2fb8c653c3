"""`penstock export` and `penstock verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from penstock.core import layout
from penstock.core.records import Delete, Query, Update
from penstock.use_cases import registry
from penstock.use_cases.pausing import pause
from penstock.use_cases.sweep import sweep_hub
from support.tenants import OPERATOR, Tenants
from support.world import World
from terminal import Terminal

POLE = "planned-poles/LAW.P.A005"


@pytest.fixture
def exported(world: World, type_: Terminal, tmp_path: Path) -> Path:
    """An export of a first run that was approved."""
    world.run()
    world.approve("reject")
    return out(world, type_, tmp_path / "first")


def out(world: World, type_: Terminal, folder: Path) -> Path:
    world.clock.forward(60)
    told = type_.json("export", "fibreflow", str(folder))
    assert told.code == 0, told.answer
    return folder


def test_what_was_approved_is_proved_by_batch_and_person(type_: Terminal, exported: Path) -> None:
    told = Terminal(None).json("verify", str(exported))  # no world: the files alone
    assert (told.code, told.answer["holds"], told.answer["faults"], told.answer["not_anchored"]) == (0, True, [], 0)
    (batch,) = told.answer["batches"]
    assert batch["approved_by"] == ["thandi@example.org"]
    assert batch["values"] == told.answer["approved"] > 100
    people = Terminal(None)("verify", str(exported))
    assert "It holds." in people.out
    assert "thandi@example.org" in people.out


def test_a_value_edited_since_is_named_with_its_document_and_field(world: World, type_: Terminal, exported: Path) -> None:
    world.production.commit([Update(POLE, {"zoneNumber": "9", "crew": "b"}, (("zoneNumber",), ("crew",)))])
    folder = out(world, type_, exported.parent / "second")
    told = type_.json("verify", str(folder))
    assert told.code == 1
    assert [(e["path"], e["field"]) for e in told.answer["edited"]] == [(POLE, "zoneNumber")]
    assert told.answer["faults"] == []
    assert f"{POLE} zoneNumber: was edited since" in type_("verify", str(folder)).out


def test_an_entry_that_is_gone_from_the_database_is_named(world: World, type_: Terminal, exported: Path) -> None:
    world.production.commit([Delete(layout.audit(world.ctx.id, 3))])
    told = type_.json("verify", str(out(world, type_, exported.parent / "second")))
    assert told.code == 1
    assert (told.answer["faults"][0]["first"], told.answer["faults"][0]["last"]) == (3, 3)
    assert "missing" in told.answer["faults"][0]["what"]


def test_a_tail_that_was_cut_is_named(world: World, type_: Terminal, exported: Path) -> None:
    last = world.production.count(Query(layout.AUDIT))
    world.production.commit([Delete(layout.audit(world.ctx.id, last))])
    told = type_.json("verify", str(out(world, type_, exported.parent / "second")))
    assert [f["last"] for f in told.answer["faults"] if f"ends at entry {last - 1}" in f["what"]] == [last]


def test_only_mapped_fields_and_stamps_are_exported(world: World, type_: Terminal, exported: Path) -> None:
    world.production.commit([Update(POLE, {"crew": "secret crew"}, (("crew",),))])
    folder = out(world, type_, exported.parent / "second")
    text = "".join(path.read_text() for path in (folder / "production").iterdir())
    assert POLE in text
    assert "secret crew" not in text


def test_every_line_of_an_export_is_json(exported: Path) -> None:
    lines = [line for path in exported.rglob("*.jsonl") for line in path.read_text().splitlines()]
    assert len(lines) > 80
    assert all(isinstance(json.loads(line), dict) for line in lines)


def test_a_folder_that_holds_something_is_refused(type_: Terminal, exported: Path) -> None:
    told = type_.json("export", "fibreflow", str(exported))
    assert (told.code, told.answer["error"]["kind"]) == (1, "Refused")


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"version":2,"target":"t","mapped":{}}', b"\xff"])
def test_what_is_no_export_is_wrong_usage_and_says_how_to_make_one(type_: Terminal, tmp_path: Path, content: Any) -> None:
    if content is not None:
        (tmp_path / "export.json").write_bytes(content)
    told = type_.json("verify", str(tmp_path))
    assert told.code == 2
    assert "penstock export" in told.answer["error"]["remedy"]


def test_a_batch_whose_evidence_is_kept_no_more_is_named(world: World, type_: Terminal, exported: Path) -> None:
    (batch,) = world.documents(layout.BATCHES)
    del world.blobs.objects[layout.evidence_blob(world.ctx.id, batch)]
    world.production.commit([Delete(layout.batch(batch))])
    world.clock.forward(60)
    folder = exported.parent / "second"
    told = type_.json("export", "fibreflow", str(folder))
    assert (told.code, told.answer["lacking"]) == (1, [batch])
    told = type_.json("verify", str(folder))
    assert told.code == 1
    assert (told.answer["approved"], told.answer["faults"][0]["place"]) == (0, batch)
    assert told.answer["unproved"] > 100


def test_who_disabled_a_target_opened_a_stage_and_paused_it_is_told_from_the_files(tmp_path: Path) -> None:
    tenants = Tenants()
    tenants.declare("alpha", stage="pilot")
    registry.change(tenants.ports, tenants.pipeline, "library_loans.alpha", {"enabled": False}, "maya@example.org")
    sweep_hub(tenants.ports, tenants.pipeline)
    registry.set_stages(tenants.ports, tenants.pipeline, ("pilot",), (), "zoe@example.org")
    pause(tenants.contexts.called("alpha"), "zoe@example.org")
    on_hub = Terminal(tenants)
    out = on_hub.json("export", "alpha", str(tmp_path / "out")).answer
    assert (out["entries"], out["hub_entries"]) == (1, 3)
    told = Terminal(None).json("verify", str(tmp_path / "out"))
    answer = told.answer
    assert (told.code, answer["hub"], answer["hub_entries"], answer["hub_not_anchored"]) == (0, "library_loans", 3, 1)
    assert [(s["chain"], s["entry"], s["by"], s["what"]) for s in answer["steps"]] == [
        ("library_loans.alpha", 1, "zoe@example.org", "paused"),
        ("library_loans", 1, OPERATOR, 'added; pipeline: nothing → "library_loans"; prefix: nothing → "tenants/alpha/"; '
         'project: nothing → "tenants"; stage: nothing → "pilot"; target: nothing → "alpha"'),
        ("library_loans", 2, "maya@example.org", "changed; enabled: nothing → false"),
        ("library_loans", 3, "zoe@example.org", 'rollout: nothing → ["pilot"]'),
    ]  # fmt: skip
    people = Terminal(None)("verify", str(tmp_path / "out")).out
    assert "of the hub of library_loans: 3 audit entries, the last 1 not anchored yet" in people
    assert "changed; enabled: nothing → false" in people
