import dataclasses
import datetime as dt
from pathlib import Path

import pytest
from penstock.core.declaration import Brakes, ChangeCursor, Compare, Freeze, Harmless
from penstock.core.errors import InvalidInput
from penstock.core.projection import Projector
from penstock.core.records import Snapshot
from penstock.core.values import GeoPoint, Reference, Timestamp
from penstock.pipelines.schema import FOLDER, load, load_all

LIBRARY = Path(__file__).parent / "library_loans.yaml"
FIBRE = FOLDER / "fibre_network.yaml"
GEOGRAPHY = FOLDER / "tenant_geography.yaml"


def spoiled(tmp_path, original, *edits):
    """The error of a pipeline file with some of its text replaced; each text must be there."""
    text = original.read_text()
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new, 1)
    path = tmp_path / original.name
    path.write_text(text)
    with pytest.raises(InvalidInput) as caught:
        load(path)
    return str(caught.value), text


def test_the_fibre_network_is_the_allow_list_that_was_agreed():
    fibre = load_all()["fibre_network"]
    assert {f.source[0] for e in fibre.entities for f in e.fields} == {
        "Pole Number", "Drop Number", "Latitude", "Longitude", "Location Address", "PONs", "Sections", "Site", "Status",
        "Flow Name Groups", "Property ID", "lst_mod_dt", "date_status_changed",
    }  # fmt: skip
    assert [(e.name, e.collection, e.key_field.target) for e in fibre.entities] == [
        ("poles", "planned-poles", ("poleNumber",)),
        ("drops", "drops", ("dropNumber",)),
    ]
    assert (fibre.schedule, fibre.time_zone) == ("0 2 * * *", "Africa/Johannesburg")
    assert fibre.sources["onemap"].cursor == ChangeCursor(("lst_mod_dt",), "text", dt.timedelta(days=2))


def test_the_longitude_is_compared_as_its_latitude_says():
    latitude, longitude = load(FIBRE).entity("poles").fields[1:3]
    assert latitude.compare == Compare("metres", 5.0, ("location", "longitude"))
    assert longitude.compare == Compare("metres", 5.0, ("location", "latitude"))


def test_the_key_is_required_without_saying_so():
    assert all(e.key_field.required for e in load(FIBRE).entities)


def test_a_pipeline_of_single_documents_maps_every_type():
    library = load(LIBRARY)
    row = {
        "loan_number": 7.0, "reader_card": "R1", "book": {"title": "Mensagem"}, "renewals": "2", "fine": "1.50",
        "due": "2025-03-30 12:00", "shelf": Reference("projects/x/databases/(default)/documents/shelves/a"),
        "changed_at": Timestamp(9, 7000), "note": "canary",
    }  # fmt: skip
    root = "projects/live/databases/(default)/documents/branches/south/"
    (found,) = Projector(library, "catalogue", root).project([Snapshot("loans/x", row, Timestamp(1))]).projected
    assert (found.key, found.group, found.sources) == ("7", "7", ("x",))
    assert {".".join(p): v for p, v in found.values.items()} == {
        "number": "7", "reader": "R1", "title": "Mensagem", "renewals": 2, "fine": 1.5,
        "due": Timestamp.parse("2025-03-30T11:00:00Z"), "shelf": Reference(root + "shelves/a"), "changedAt": Timestamp(9, 7000),
    }  # fmt: skip
    person = {
        "card_number": "R1",
        "language": "Portuguese",
        "interests": "maps; ships",
        "active": True,
        "home": GeoPoint(38.7, -9.1),
    }
    (reader,) = Projector(library, "people").project([Snapshot("readers/r", person, Timestamp(1))]).projected
    assert reader.values[("language",)] == "pt"
    assert reader.values[("interests",)] == ["maps", "ships"]


def test_two_records_never_share_a_list():
    projector = Projector(load(LIBRARY), "people")
    people = [Snapshot(f"readers/{n}", {"card_number": str(n), "interests": "maps; ships"}, Timestamp(1)) for n in range(2)]
    one, other = (projector.project([p]).projected[0].values[("interests",)] for p in people)
    assert one == other
    assert one is not other


def test_targets_schedule_and_gate_are_read():
    library = load(LIBRARY)
    assert [dataclasses.astuple(t)[:4] for t in library.targets] == [
        ("north", "branches", "north", ""),
        ("south", "branches", "(default)", "branches/south/"),
    ]
    assert (library.gate.approvals, library.gate.expires) == (2, dt.timedelta(days=3))
    assert library.rules[0][1].fields == ("title",)


CASES = [
    ("    group_by: Pole Number", "    grup_by: Pole Number", "entities.poles.grup_by", "Did you mean `group_by`?"),
    ("title: Fibre network, OneMap to FibreFlow", "titel: x", "titel", "Did you mean `title`?"),
    ("title: Fibre network, OneMap to FibreFlow", "titel: x", "title", "is missing"),
    ('"0 2 * * *"', '"0 25 * * *"', "schedule", "'25' for the hour"),
    ('"0 2 * * *"', '"0 2 * *"', "schedule", "five fields"),
    ("Johannesburg\n\n", "Johanesburg\n\n", "time_zone", "Did you mean `Africa/Johannesburg`?"),
    ("overlap: 2 days", "overlap: 2 hours", "sources.onemap.cursor.overlap", "Make it `1 day` or more"),
    ("overlap: 2 days", "overlap: soon", "sources.onemap.cursor.overlap", "Write it like `2 days`"),
    ("kind: text", "kind: txt", "sources.onemap.cursor.kind", "'text' or 'timestamp'"),
    ("    source: onemap", "    source: onemapp", "entities.poles.source", "Did you mean `onemap`?"),
    ("    key: poleNumber", "    key: poleNumbr", "entities.poles.key", "Did you mean `poleNumber`?"),
    ("{metres: 5, partner: location.longitude}", "{metres: 5}", "location.latitude.compare", "as its `partner`"),
    ("    convert: latitude\n", "    convert: lattitude\n", "location.latitude.convert", "Did you mean `latitude`?"),
    ("pattern: '.*\\d.*'", "pattern: '('", "poleNumber.options.pattern", "no regular expression"),
    ("pattern: '.*\\d.*'", "patern: '.*'", "poleNumber.options.patern", "Did you mean `pattern`?"),
    ("pick: distinct, compare: union", "compare: union", "statusHistory.compare", "Add `pick: distinct`"),
    ("    compare: earliest", "    compare: passive\n        blanc: 1", "firstPermissionAt.blanc", "is no"),
    ("        pick: smallest\n", "        pick: earliest\n", "firstPermissionAt.compare", "Add `pick: smallest`"),
    ("{from: Longitude, ", "{from: Longitude, pick: smallest, ", "longitude.pick", "an order"),
    ("importStatus: {from: Status", "location: {from: Status", "location.latitude", "lies inside `location`"),
    ("importStatus: {from: Status", "penstock.by: {from: Status", "penstock.by", "Map it elsewhere"),
    ("  poles:\n    source: onemap", "  pools:\n    source: onemap", "entities.drops.parent.entity", "Put parents first"),
    ("field: poleNumber}", "field: pole}", "entities.drops.parent.field", "Add it to `fields`"),
    ("  child_moves:", "  child_move:", "rules.child_move", "Did you mean `child_moves`?"),
    ("most: 12", "moost: 12", "rules.too_many_children.moost", "Did you mean `most`?"),
    ("most: 12", "most: a dozen", "rules.too_many_children.most", "valid integer"),
    ("entity: drops, most", "entity: poles, most", "rules.too_many_children.entity", "is no entity with a parent"),
    ("50, fields: [ponNumber", "50, fields: [ponNumbr", "rules.records_disagree.fields", "Did you mean `ponNumber`?"),
    ("  fibreflow: {project: fibreflow}", "  a: {project: p}\n  b: {project: p}", "targets.b", "same place as `a`"),
    ("{project: fibreflow}", "{project: fibreflow, prefix: tenants/x}", "targets.fibreflow.prefix", "slash"),
    ("collection: planned-poles", "collection: planned-poles/", "entities.poles.collection", "is no collection"),
    ("changed_share: 0.5", "changed_share: 50", "brakes.changed_share", "less than or equal to 1"),
    ("staging: 31 days", "staging: 30 days", "retention.rollback_window", "planned from staged packs"),
    ("backups: 365 days", "backups: 29 days", "retention.rollback_window", "prior images would be gone"),
    ("shrunken: 0.3", "shrunken: 30", "brakes.shrunken", "less than or equal to 1"),
    ("older: 7 days", "older: a week", "brakes.older", "Write it like `2 days`"),
    ("header: mapped", "header: all", "brakes.header", "'ignore', 'mapped' or 'any'"),
    ("header: mapped", "freeze: [{from: soon, to: 2027-01-05}]", "brakes.freeze.0.from", "Write it like 2026-12-15"),
    ("header: mapped", "freeze: [{from: 2027-01-05}]", "brakes.freeze.0", "Name the last day: `to`"),
    ("header: mapped", "freeze: [{from: 2027-01-05, to: 2026-12-15}]", "brakes.freeze.0.to", "Put the days in order"),
    ("header: mapped", "freeze: [{days: [friday]}]", "brakes.freeze.0.days.0", "'mon', 'tue'"),
    ("header: mapped", "freeze: [{hours: 22:00-02:00}]", "brakes.freeze.0.hours", "two, up to `24:00`"),
    ("header: mapped", "freeze: [{hours: 960}]", "brakes.freeze.0.hours", "Write it like `16:00-24:00`"),
    ("header: mapped", "freeze: [{}]", "brakes.freeze.0", "or pause the target"),
    ("approvals: 1", "approvals: 0", "gate.approvals", "greater than or equal to 1"),
    ("    key: dropNumber", "    key: dropNumber\n    key: poleNumber", "entities.drops.key", "stands twice"),
    ("name: fibre_network", "name: fiber_network", "name", "a file called fibre_network.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "remedy"), CASES)
def test_a_mistake_is_told_with_its_line_its_place_and_what_to_do(tmp_path, old, new, place, remedy):
    told, text = spoiled(tmp_path, FIBRE, (old, new))
    line = next(part for part in told.splitlines() if place in part and remedy in part)
    assert line.startswith("  line ")
    number = int(line.split()[1].rstrip(","))
    last_word = place.rpartition(".")[2]
    near = "\n".join(text.splitlines()[number - 1 : number])
    assert last_word in near or remedy == "is missing"


TREES = [
    ("      name: names\n", "      name: title\n", "entities.units.tree.name", "`title` is not mapped"),
    ("recoded: {code: code,", "recoded: {code: cod,", "rules.recoded.code", "Did you mean `code`?"),
    ("type: type, code: code,", "type: kind, code: code,", "rules.same_name.type", "`kind` is mapped by no entity"),
    ("within: [country, level]", "within: [land]", "rules.code_taken.within", "`land` is mapped by no entity"),
    ("      code: code ", "      code: number ", "entities.units.tree.code", "`number` is not mapped"),
    ("header: mapped", "header: any", "brakes.header", "only mapped fields leave it. Make it `mapped`"),
    ("entities:\n", "  second: {project: landlord, collection: others, partition: country}\n\nentities:\n",
     "sources.second.partition", "A pipeline has one source that its targets share"),
    ("    key: landlordId\n", "    key: landlordId\n    group_by: type\n",
     "entities.units.group_by", "read by partition. Remove it"),
    ("policy: comprehensive", "policy: complete", "rules.impact.policy", "'comprehensive' or 'simple'"),
    ("levels: {official: 4, last: 8}", "levels: {official: 9, last: 8}", "entities.units.tree.levels:", "Put them in order"),
    ("levels: {official: 4, last: 8}", "levels: {official: 4, last: 8}\n      levels_of: {BT: {official: 3, last: 2}}",
     "entities.units.tree.levels_of.BT:", "Put them in order"),
    ("parent: {entity: units, field: landlordParent}", "parent: {entity: unit, field: landlordParent}",
     "entities.units.tree:", "needs `parent: {entity: units, field: …}`"),
    ("    key: landlordId\n", "    key: landlordId\n    group_by: type\n",
     "entities.units.group_by", "plays no part in a tree"),
    ("    on_delete: deactivate\n    deactivate: {field: active, value: false}\n", "    on_delete: remove\n",
     "entities.units.on_delete", "would leave what hangs below without a place"),
    ("      path: path\n", "      path: version\n", "entities.units.tree.path", "`version` is mapped: the engine works it out"),
    ("      parent: parentId ", "      parent: names.parent ", "entities.units.tree.parent", "Choose a field that is not"),
    ("own: {field: official, value: true}", "own: {field: type, value: true}",
     "entities.units.tree.own", "`type` is mapped: the engine works it out"),
    ("hub: {project: landlord} ", "# ", "targets: ", "Name one, or a `hub`"),
    ("hub: {project: landlord} ", "# ", "sources.landlord.partition", "needs a `hub`"),
    ("hub: {project: landlord} ", "# ", "active_schedule", "is for targets that a `hub` declares"),
    ("sources:\n", "targets: {one: {project: landlord}}\nsources:\n", "targets: ", "are declared in the hub"),
    ("        members:\n", "        units:\n", "entities.units.tree.dependents.units:", "Give these another name"),
    ("        members:\n", "        children:\n", "entities.units.tree.dependents.children:", "Give these another name"),
    ("entity: units, action: update", "entity: unit, action: update", "harmless.renamed.entity", "Did you mean `units`?"),
    ("action: update", "action: delete", "harmless.renamed.action", "'create' or 'update'"),
    ("action: update", "action: create", "harmless.renamed.fields", "a new record has all of its fields"),
    ("fields: [names, version]", "fields: []", "harmless.renamed.fields", "Name those that may change without a word"),
    ("fields: [names, version]", "fields: [name]", "harmless.renamed.fields.0", "Did you mean `names`?"),
    *(("fields: [names, version]", f"fields: [names, {field}]", "harmless.renamed.fields.1", "says which record it is")
      for field in ("landlordId", "landlordParent", "level", "code", "active")),
    ("approvals: 1,", "approvals: 1, auto_approve: [renamd],", "gate.auto_approve.0", "Did you mean `renamed`?"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "place", "remedy"), TREES)
def test_a_mistake_about_a_tree_is_told_with_its_place_and_what_to_do(tmp_path, old, new, place, remedy):
    told, _ = spoiled(tmp_path, GEOGRAPHY, (old, new))
    assert any(place in line and remedy in line for line in told.splitlines())


def test_a_pipeline_has_one_tree(tmp_path):
    text = GEOGRAPHY.read_text()
    second = text[text.index("  units:\n") : text.index("rules:\n")].replace("entity: units", "entity: others")
    told, _ = spoiled(tmp_path, GEOGRAPHY, ("rules:\n", second.replace("  units:\n", "  others:\n", 1) + "rules:\n"))
    assert [name for name in ("units", "others") if f"entities.{name}.tree: is one of several" in told] == ["units", "others"]


def test_of_a_folder_those_named_are_loaded_and_no_two_are_served_at_one_place(tmp_path):
    text = GEOGRAPHY.read_text()
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(text.replace("name: tenant_geography", f"name: {name}"))
    assert list(load_all(tmp_path, ["b"])) == ["b"]
    with pytest.raises(InvalidInput, match=r"b\.yaml: `api: geography-sync` is that of a\.yaml"):
        load_all(tmp_path)
    with pytest.raises(InvalidInput, match=r"There is no pipeline `c`"):
        load_all(tmp_path, ["a", "c"])


@pytest.mark.parametrize("rule", ["dependents:", "impact: {policy: simple}", "lineage:"])
def test_rules_about_a_tree_need_one(tmp_path, rule):
    told, _ = spoiled(tmp_path, FIBRE, ("  child_moves:", f"  child_moves:\n  {rule}"))
    assert "no entity is one" in told


def test_a_key_cannot_be_optional_and_latest_needs_a_cursor(tmp_path):
    told, _ = spoiled(
        tmp_path, FIBRE,
        ("poleNumber: {from: Pole Number, ", "poleNumber: {from: Pole Number, required: false, "),
        ("    cursor: {field: lst_mod_dt, kind: text, overlap: 2 days}\n", ""),
    )  # fmt: skip
    assert "is the key: it is always required" in told
    assert "has no cursor to tell it by" in told


def test_brakes_have_bands_by_themselves_and_each_can_be_turned_off(tmp_path):
    fibre = FIBRE.read_text()
    line = next(line for line in fibre.splitlines() if line.startswith("brakes:"))
    file = tmp_path / FIBRE.name
    file.write_text(fibre.replace(line + "\n", ""))
    found = load(file).brakes
    assert (found.shrunken, found.replaced, found.older, found.header) == (0.3, 0.3, dt.timedelta(days=7), "mapped")
    off = "brakes: {shrunken: null, replaced: null, older: null, header: ignore}"
    file.write_text(fibre.replace(line, off))
    assert load(file).brakes == Brakes()


def test_freezes_are_days_weekdays_and_hours(tmp_path):
    file = tmp_path / FIBRE.name
    freeze = "freeze: [{from: 2026-12-15, to: 2027-01-05}, {days: [fri, sun], hours: 16:00-24:00}, {hours: 08:00-17:30}]"
    file.write_text(FIBRE.read_text().replace("header: mapped", freeze))
    assert load(file).brakes.freeze == (
        Freeze(dt.date(2026, 12, 15), dt.date(2027, 1, 5)),
        Freeze(days=frozenset({4, 6}), begins=960),
        Freeze(begins=480, ends=1_050),
    )


def test_every_mistake_of_a_file_is_told_at_once(tmp_path):
    edits = [
        ("    group_by", "    grup_by", "entities.poles.grup_by"),
        ('"0 2', '"0 77', "schedule"),
        ("kind: text", "kind: t", "sources.onemap.cursor.kind"),
        ("child_moves", "child_mooves", "rules.child_mooves"),
        ("    key: dropNumber", "    key: dropnumber", "entities.drops.key"),
        ("{metres: 5, partner: location.longitude}", "{metres: 5}", "entities.poles.fields.location.latitude.compare"),
        ("title: Fibre network, OneMap to FibreFlow", "", "title"),
        ("approvers: fibre_approvers, ", "", "gate.approvers"),
        (", staging: 31 days", "", "retention.staging"),
        ("options: {pattern: '.*", "options: {patern: '.*", "entities.poles.fields.poleNumber.options.patern"),
    ]  # fmt: skip
    told, _ = spoiled(tmp_path, FIBRE, *((old, new) for old, new, _ in edits))
    places = {line.split(", ")[1].split(": ")[0] for line in told.splitlines() if line.startswith("  line ")}
    # the pattern that was misspelled is missing, too
    assert places == {place for *_, place in edits} | {"entities.poles.fields.poleNumber.options.pattern"}


def test_what_is_no_yaml_no_file_or_no_pipeline_is_told(tmp_path):
    path = tmp_path / "x.yaml"
    with pytest.raises(InvalidInput, match=r"cannot be read"):
        load(path)
    path.write_text("a: [1\nb: 2")
    with pytest.raises(InvalidInput, match=r"x\.yaml: is no YAML in line 2"):
        load(path)
    for text in ("", "- a", "just words"):
        path.write_text(text)
        with pytest.raises(InvalidInput, match=r"holds no pipeline"):
            load(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match=r"is no YAML"):
        load(path)


def test_a_folder_tells_the_mistakes_of_all_its_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text("name: c\n")
    with pytest.raises(InvalidInput, match=r"(?s)a\.yaml: .*b\.yaml: "):
        load_all(tmp_path)


@pytest.mark.parametrize("cron", ["*/5 * * * *", "0 2 * * mon-fri", "0,30 1-5/2 1 jan,jul *", "59 23 31 12 7"])
def test_schedules_of_five_fields_are_taken(tmp_path, cron):
    path = tmp_path / "fibre_network.yaml"
    path.write_text(FIBRE.read_text().replace("0 2 * * *", cron))
    assert load(path).schedule == cron


@pytest.mark.parametrize(
    "cron", ["60 * * * *", "* * 0 * *", "* * * 13 *", "* * * * 8", "a b c d e", "5-1 * * * *", "*/0 * * * *", "@daily"]
)
def test_schedules_that_never_fire_are_refused(tmp_path, cron):
    assert "schedule: " in spoiled(tmp_path, FIBRE, ("0 2 * * *", cron))[0]


def with_reader(*lines):
    return (
        "    collection: readers\n    key: card\n",
        "".join(["    collection: readers\n    key: card\n", *(f"    {line}\n" for line in lines)]),
    )


def test_a_deactivation_needs_a_field_that_no_source_writes(tmp_path):
    told, _ = spoiled(tmp_path, LIBRARY, with_reader("on_delete: deactivate"))
    assert "entities.readers.on_delete: needs a field and a value that mean so." in told
    told, _ = spoiled(tmp_path, LIBRARY, with_reader("on_delete: deactivate", "deactivate: {field: active, value: false}"))
    assert "entities.readers.deactivate.field: `active` is mapped: the source would write it too." in told
    told, _ = spoiled(tmp_path, LIBRARY, with_reader("on_delete: remove", "deactivate: {field: gone, value: true}"))
    assert "entities.readers.deactivate: plays no part, for `on_delete` is `remove`." in told
    told, _ = spoiled(
        tmp_path, LIBRARY, with_reader("on_delete: deactivate", "deactivate: {field: penstock.gone, value: 1, again: 1}")
    )
    assert "`penstock.gone` is not free" in told
    assert "entities.readers.deactivate.again: is what deactivates." in told
    told, _ = spoiled(tmp_path, LIBRARY, with_reader("on_delete: deactivate", "deactivate: {field: gone, value: [1]}"))
    assert "entities.readers.deactivate.value: is no text, whole number, `true` or `false`." in told


def test_a_pipeline_that_removes_has_the_rule_for_it_without_naming_it(tmp_path):
    library = tmp_path / "library_loans.yaml"
    library.write_text(
        LIBRARY.read_text().replace(*with_reader("on_delete: remove", "deleted_where: {field: state, is: [left]}"))
    )
    loaded = load(library)
    assert [name for name, _ in loaded.rules][-1] == "removal"
    assert loaded.entity("readers").deleted_where == (("state",), frozenset({"left"}))
    assert "removal" not in dict(load(LIBRARY).rules)


def test_how_often_a_source_is_counted_is_a_duration_or_on_demand(tmp_path):
    old = "    collection: readers\n    cursor"
    for text, meant in (("2 days", dt.timedelta(days=2)), ("on demand", None)):
        path = tmp_path / "library_loans.yaml"
        path.write_text(LIBRARY.read_text().replace(old, old.replace("    cursor", f"    reconcile: {text}\n    cursor")))
        assert load(path).sources["people"].reconcile == meant
    assert load(LIBRARY).sources["people"].reconcile == dt.timedelta(days=7)
    told, _ = spoiled(tmp_path, LIBRARY, (old, old.replace("    cursor", "    reconcile: often\n    cursor")))
    assert "sources.people.reconcile: is no duration. Write it like `2 days`" in told


def test_a_gate_asks_nobody_about_the_harmless_classes_that_it_names_and_about_all_else(tmp_path):
    path = tmp_path / GEOGRAPHY.name
    path.write_text(GEOGRAPHY.read_text().replace("approvals: 1,", "approvals: 1, auto_approve: [renamed],"))
    asked, unasked = load(GEOGRAPHY), load(path)
    assert (asked.approved_unasked, list(asked.harmless)) == ({}, ["renamed"])
    assert unasked.approved_unasked == {"renamed": Harmless("units", "update", (("names",), ("version",)))}
