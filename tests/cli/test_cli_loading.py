"""Anybody's JSON lines into the local source or production."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from penstock.cli import loading
from penstock.core.records import Query
from penstock.core.values import GeoPoint, Timestamp
from penstock.pipelines.schema import FOLDER, load
from penstock.wiring import Contexts
from support.tenants import Tenants
from support.world import World
from terminal import Terminal


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "records.jsonl"
    lines = [{"_id": f"{n:03d}", "Pole Number": f"LAW.P.B{n:03d}", "lst_mod_dt": "2025-06-01"} for n in range(1_000)]
    path.write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    return path


def test_a_sources_collection_is_loaded_into_the_source(type_: Terminal, world: World, file: Path) -> None:
    told = type_.json("local", "load", str(file), "--collection", "onemap-records")
    assert told.code == 0
    assert (told.answer["documents"], told.answer["project"]) == (1_000, "demo-onemap")
    assert told.answer["next_steps"] == ["penstock run fibre_network --full"]
    document = world.source.get(["onemap-records/007"])[0]
    assert document.data == {"Pole Number": "LAW.P.B007", "lst_mod_dt": "2025-06-01"}
    assert "1,000 documents in demo-onemap" in type_("local", "load", str(file), "--collection", "onemap-records").out


def test_an_entitys_collection_is_loaded_into_production(type_: Terminal, world: World, file: Path) -> None:
    told = type_.json("local", "load", str(file), "--collection", "planned-poles", "--id", "Pole Number")
    assert told.answer["project"] == "demo-fibreflow"
    assert world.documents("planned-poles")["LAW.P.B001"]["Pole Number"] == "LAW.P.B001"


def test_loading_again_changes_nothing(type_: Terminal, world: World, file: Path) -> None:
    type_("local", "load", str(file), "--collection", "onemap-records")
    before = world.source.get(["onemap-records/007"])[0].update_time
    type_("local", "load", str(file), "--collection", "onemap-records")
    assert world.source.get(["onemap-records/007"])[0].update_time == before


def test_values_that_json_lacks_are_taken_in_their_exact_form(type_: Terminal, world: World, tmp_path: Path) -> None:
    path = tmp_path / "typed.jsonl"
    path.write_text(
        '\ufeff{"_id": 7, "at": {"$time": "2026-01-31T02:00:00Z"}, "place": {"$geo": [-26.3, 28.8]}, "n": 1.0, "m": null}\n'
    )
    assert type_("local", "load", str(path), "--collection", "onemap-records").code == 0
    data = world.source.get(["onemap-records/7"])[0].data
    assert data == {"at": Timestamp(1_769_824_800), "place": GeoPoint(-26.3, 28.8), "n": 1.0, "m": None}
    assert isinstance(data["n"], float)


BAD = {
    '{"_id": "x"': "is no JSON",
    '["_id"]': "is no JSON object",
    '{"name": "x"}': "has no id in the field '_id'",
    '{"_id": ""}': "has no id",
    '{"_id": true}': "has no id",
    '{"_id": "a/b"}': "has a slash in its id",
    '{"_id": ".."}': "records/..",
    '{"_id": "good"}': "has the same id as line 1",
    '{"_id": "t", "at": {"$time": "yesterday"}}': "is no JSON of Firestore values",
    '{"_id": "t", "at": {"$time": 5}}': "is no JSON of Firestore values",
    '{"_id": "g", "at": {"$geo": [99, 0]}}': "holds a place outside",
    '{"_id": "n", "rows": [[1]]}': "holds an array or a vector directly in an array",
    "[" * 100_000: "is no JSON",
}


@pytest.mark.parametrize(("line", "said"), BAD.items(), ids=list(BAD.values()))
def test_a_bad_line_is_named_by_number_and_nothing_is_written(
    type_: Terminal, world: World, tmp_path: Path, line: str, said: str
) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text('{"_id": "good", "name": "x"}\n\n' + line + "\n")
    told = type_.json("local", "load", str(path), "--collection", "onemap-records")
    assert told.code == 2
    assert "1 line cannot be loaded" in told.answer["error"]["what"]
    assert "line 3: " in told.answer["error"]["what"]
    assert said in told.answer["error"]["what"]
    assert world.source.count(Query("onemap-records")) == 60


def test_many_bad_lines_are_counted_and_the_first_named(type_: Terminal, tmp_path: Path) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("{\n" * 50)
    what = type_.json("local", "load", str(path), "--collection", "onemap-records").answer["error"]["what"]
    assert "50 lines cannot be loaded" in what
    assert "line 20: " in what
    assert "line 21: " not in what
    assert "and 30 more" in what


@pytest.mark.parametrize("content", [b"", b"\n \n", b'{"_id": "\xff"}'], ids=["empty", "blank", "latin-1"])
def test_a_file_that_holds_no_document_is_refused(type_: Terminal, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "none.jsonl"
    path.write_bytes(content)
    assert type_.json("local", "load", str(path), "--collection", "onemap-records").code == 2


def test_a_collection_that_no_pipeline_uses_needs_a_project(type_: Terminal, world: World, file: Path) -> None:
    told = type_.json("local", "load", str(file), "--collection", "elsewhere")
    assert told.code == 2
    assert "--project" in told.answer["error"]["remedy"]
    assert "onemap-records" in told.answer["error"]["remedy"]
    told = type_.json("local", "load", str(file), "--collection", "elsewhere", "--project", "fibreflow")
    assert (told.code, told.answer["project"], told.answer["next_steps"]) == (0, "demo-fibreflow", ["penstock status"])
    assert len(world.documents("elsewhere")) == 1_000


def test_a_collection_of_source_and_production_alike_asks_which(library: World) -> None:
    known = loading.places(library.contexts, "loans")
    assert [(p.role, p.project, p.database) for p in known] == [
        ("source", "demo-catalogue", "main"),
        ("production", "demo-branches", "north"),
    ]
    with pytest.raises(Exception, match="is in several databases") as refused:
        loading.place_of(library.contexts, "loans", None, None)
    assert "--project catalogue --database main (source)" in str(refused.value)
    assert loading.place_of(library.contexts, "loans", "production", None).database == "north"
    assert loading.place_of(library.contexts, "loans", "catalogue", None).role == "source"
    assert loading.place_of(library.contexts, "branches/south/loans", None, None).database == "(default)"


def test_large_documents_are_written_a_few_at_a_time(type_: Terminal, world: World, tmp_path: Path) -> None:
    path = tmp_path / "large.jsonl"
    path.write_text("".join(json.dumps({"_id": str(n), "text": "x" * 900_000}) + "\n" for n in range(12)))
    assert type_("local", "load", str(path), "--collection", "onemap-records").code == 0
    sizes = [len(some) for some in loading._batches(loading._sets(path, "onemap-records", "_id"))]
    assert sizes == [2] * 6


def test_nothing_is_loaded_where_no_emulator_is(file: Path, tmp_path: Path) -> None:
    env = {"PENSTOCK_BUCKET": "some-bucket", "FIRESTORE_EMULATOR_HOST": ""}
    told = Terminal(None).json("local", "load", str(file), "--collection", "onemap-records", **env)
    assert (told.code, told.answer["error"]["kind"]) == (1, "Refused")
    assert told.answer["next_steps"] == ["penstock local up"]


def test_a_source_is_loaded_before_a_hub_declares_any_target(tmp_path: Path) -> None:
    tenants, lines = Tenants(), tmp_path / "readers.jsonl"
    both = {**tenants.contexts.pipelines, "fibre_network": load(FOLDER / "fibre_network.yaml")}
    tenants.contexts = Contexts(tenants.ports, both)
    lines.write_text('{"_id": "c1", "card_number": "c1"}\n')
    told = Terminal(tenants).json("local", "load", str(lines), "--collection", "readers")
    assert (told.code, told.answer["project"], told.answer["documents"]) == (0, "demo-catalogue", 1)
    assert told.answer["next_steps"] == ["penstock run library_loans --full"]
