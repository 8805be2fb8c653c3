"""The main job, typed: run, show, decide, promote, read back, roll back."""

from __future__ import annotations

import pytest
from penstock.cli import output
from penstock.core.records import Update
from penstock.core.values import Timestamp
from penstock.use_cases import effects
from support.world import World
from terminal import APPROVER, OPERATOR, Terminal


@pytest.fixture
def batch(type_: Terminal) -> str:
    """A batch under review."""
    told = type_.json("run", "fibre_network")
    assert told.code == 0
    id: str = told.answer["runs"][0]["batch"]
    return id


def approved(type_: Terminal, batch: str, *words: str, code: int = 0) -> dict[str, object]:
    told = type_.json("decide", batch, "approve", "--rule", "required=reject", "--yes", *words, user=APPROVER)
    assert told.code == code, told
    return told.answer


def test_a_run_waits_until_the_review_is_open(type_: Terminal) -> None:
    told = type_.json("run", "fibre_network")
    (run,) = told.answer["runs"]
    assert (told.code, run["status"], run["mode"]) == (0, "UNDER_REVIEW", "full")
    assert {t["entity"]: (t["read"], t["created"]) for t in run["tallies"]} == {"poles": (60, 20), "drops": (60, 60)}
    assert told.answer["next_steps"][1] == f"penstock decide {run['batch']} approve"


def test_a_run_need_not_be_waited_for(type_: Terminal, world: World) -> None:
    told = type_.json("run", "fibre_network", "--no-wait")
    assert told.answer["runs"][0]["status"] == "CHECKING"
    world.pump()
    assert world.batch(told.answer["runs"][0]["batch"]).status == "UNDER_REVIEW"


def test_a_second_run_proposes_nothing_and_names_the_batch_that_is_open(type_: Terminal, batch: str) -> None:
    (run,) = type_.json("run", "fibre_network").answer["runs"]
    assert (run["batch"], run["open"]) == ("", batch)
    told = type_("run", "fibre_network")
    assert f"nothing to propose; {batch} is still open" in told.out


def test_a_run_that_reconciles_says_that_the_whole_source_was_accounted_for(type_: Terminal, batch: str) -> None:
    approved(type_, batch)
    (run,) = type_.json("run", "fibre_network", "--reconcile").answer["runs"]
    assert (run["mode"], run["batch"]) == ("reconcile", "")
    assert {t["gone"] for t in run["tallies"]} == {0}
    assert any("accounted for by key ranges" in note and "the read was complete" in note for note in run["notes"])


def test_a_run_of_a_paused_target_is_refused(type_: Terminal) -> None:
    type_("pause", "fibreflow")
    told = type_.json("run", "fibre_network")
    assert told.code == 1
    assert told.answer["runs"][0]["error"]["kind"] == "Refused"
    assert "is paused" in type_("run", "fibre_network").out


def test_one_target_that_fails_does_not_stop_the_others(library: World) -> None:
    terminal = Terminal(library)
    terminal("pause", "north")
    told = terminal.json("run", "library_loans")
    assert told.code == 1
    assert [bool(run["error"]) for run in told.answer["runs"]] == [True, False]


def test_a_run_of_one_target_leaves_the_others_alone(library: World) -> None:
    told = Terminal(library).json("run", "library_loans", "--target", "south")
    assert [run["target"] for run in told.answer["runs"]] == ["library_loans.south"]


def test_checks_that_get_nowhere_end_the_wait_with_a_failure(world: World) -> None:
    terminal = Terminal(world)
    world.pump = lambda: None  # type: ignore[method-assign]  # every message is lost
    told = terminal.json("run", "fibre_network")
    assert told.code == 3
    assert "got nowhere for 10 minutes" in told.answer["runs"][0]["error"]["what"]


def test_a_pack_that_ends_in_the_dead_letters_makes_the_run_fail_and_can_be_retried(
    type_: Terminal, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from penstock.use_cases import check

    lost = type_.json("run", "fibre_network", "--no-wait").answer["runs"][0]["batch"]
    world.delivered = len(world.publisher.messages)
    assert check.fail(world.ctx, lost, 0)
    told = type_.json("status")
    assert told.code == 1
    assert told.answer["targets"][0]["failed"][0]["batch"] == lost
    assert told.answer["next_steps"][0] == f"penstock retry {lost}"
    assert "no cause was noted" in type_("status").out
    told = type_.json("retry", lost)
    assert (told.code, told.answer["status"]) == (0, "UNDER_REVIEW")


def test_only_a_failed_batch_is_retried(type_: Terminal, batch: str) -> None:
    told = type_.json("retry", batch)
    assert (told.code, told.answer["error"]["what"]) == (1, "is UNDER_REVIEW")


def test_batches_are_listed_newest_first_by_target_and_status(type_: Terminal, world: World, batch: str) -> None:
    approved(type_, batch)
    world.put(
        world.source,
        "onemap-records",
        [("000009", {**_source(world, "000009"), "PONs": "5", "lst_mod_dt": "2025-06-02 10:00:00+02"})],
    )
    second = type_.json("run", "fibre_network").answer["runs"][0]["batch"]
    listed = type_.json("batches").answer["batches"]
    assert [b["batch"] for b in listed] == [second, batch]
    assert [b["batch"] for b in type_.json("batches", "--status", "applied").answer["batches"]] == [batch]
    assert [b["batch"] for b in type_.json("batches", "--limit", "1").answer["batches"]] == [second]
    assert type_.json("batches", "--target", "fibreflow", "--status", "EXPIRED").answer["batches"] == []
    assert second in type_("batches").out


def _source(world: World, id: str) -> dict[str, object]:
    data = world.source.get([f"onemap-records/{id}"])[0].data
    assert data is not None
    return data


def test_the_batches_of_one_target_are_not_those_of_another(library: World) -> None:
    reader = {"card_number": "C1", "active": "yes", "changed_at": Timestamp(1_700_000_000)}
    library.put(library.source, "readers", [("r1", reader)])
    terminal = Terminal(library)
    terminal("run", "library_loans")
    every = terminal.json("batches").answer["batches"]
    assert {b["target"] for b in every} == {"library_loans.north", "library_loans.south"}
    (north,) = terminal.json("batches", "--target", "north").answer["batches"]
    assert north["target"] == "library_loans.north"


def test_a_batch_is_shown_page_by_page(type_: Terminal, batch: str) -> None:
    first, second = type_.json("show", batch), type_.json("show", batch, "--page", "2")
    assert (first.answer["page"], first.answer["pages"]) == (1, 2)
    assert first.answer["next_steps"][0] == f"penstock show {batch} --page 2"
    keys = [c["key"] for c in first.answer["changes"] + second.answer["changes"]]
    assert len(keys) == len(set(keys)) == 80
    told = type_.json("show", batch, "--page", "3")
    assert (told.code, told.answer["error"]["what"]) == (2, "has 2 pages")


def test_only_what_was_found_is_shown_when_asked_for(type_: Terminal, batch: str) -> None:
    told = type_.json("show", batch, "--findings")
    assert [c["key"] for c in told.answer["changes"]] == ["poles/LAW.P.A000"]
    assert told.answer["changes"][0]["findings"][0]["severity"] == "blocker"
    assert told.answer["findings"]["required"] == {"blocker": 1}


def test_one_change_is_shown_with_all_its_fields(type_: Terminal, batch: str) -> None:
    (change,) = type_.json("show", batch, "--change", "drops/DR1700007").answer["changes"]
    assert {d["field"]: d["after"] for d in change["diff"]}["address"] == "7 Protea Street"
    assert "address: nothing → 7 Protea Street" in type_("show", batch, "--change", "drops/DR1700007").out
    told = type_.json("show", batch, "--change", "drops/none")
    assert (told.code, told.answer["error"]["kind"]) == (2, "NotFound")
    assert told.answer["next_steps"] == [f"penstock show {batch}"]


def test_a_batch_that_is_none_is_a_usage_error_that_names_the_list(type_: Terminal) -> None:
    for id in ("nonsense", "fibre_network.fibreflow.20250101t000000-000000"):
        told = type_.json("show", id)
        assert (told.code, told.answer["next_steps"]) == (2, ["penstock batches"])


def test_what_a_decision_leaves_open_is_named_with_the_option_that_settles_it(type_: Terminal, batch: str) -> None:
    told = type_.json("decide", batch, "approve", "--yes", user=APPROVER)
    assert told.code == 2
    assert "1 changes with a blocker" in told.answer["error"]["what"]
    assert "--rule required=reject" in told.answer["error"]["remedy"]
    assert type_.json("show", batch).answer["decisions"] == []


def test_an_approved_batch_is_promoted_at_once_when_it_is_small(type_: Terminal, world: World, batch: str) -> None:
    answer = approved(type_, batch, "--note", "looked at it")
    assert (answer["status"], answer["applied"], answer["rejected"]) == ("APPLIED", 76, 4)
    assert len(world.documents("planned-poles")) == 19
    (decision,) = type_.json("show", batch).answer["decisions"]
    assert (decision["by"], decision["note"]) == (APPROVER, "looked at it")


def test_a_large_batch_is_watched_until_its_last_pack_is_promoted(
    type_: Terminal, batch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "INLINE", 10)
    assert approved(type_, batch, "--no-wait")["status"] == "APPLYING"
    told = type_.json("promote", batch)
    assert (told.code, told.answer["status"], told.answer["applied"]) == (0, "APPLIED", 76)


def test_a_decision_by_change_counts_before_that_by_rule(type_: Terminal, world: World, batch: str) -> None:
    approved(type_, batch, "--change", "drops/DR1700030=reject")
    assert "DR1700030" not in world.documents("drops")
    assert "DR1700031" in world.documents("drops")


@pytest.mark.parametrize(
    ("types", "code", "status"), [("y\n", 0, "APPLIED"), ("n\n", 1, "UNDER_REVIEW"), ("", 1, "UNDER_REVIEW")]
)
def test_a_person_is_shown_what_would_be_decided_and_asked(
    type_: Terminal, world: World, batch: str, monkeypatch: pytest.MonkeyPatch, types: str, code: int, status: str
) -> None:
    monkeypatch.setattr(output, "can_ask", lambda: True)
    told = type_("decide", batch, "approve", "--rule", "required=reject", user=APPROVER, types=types)
    assert told.code == code
    assert "80 changes: 20 poles to create, 60 drops to create. 1 blocker needs a word each" in told.out
    assert "76 changes approved, 4 kept as production has them. Decide so?" in " ".join(told.out.split())
    assert world.batch(batch).status == status


def test_a_rejected_batch_changes_nothing(type_: Terminal, world: World, batch: str) -> None:
    told = type_.json("decide", batch, "reject", "--yes", user=APPROVER)
    assert (told.code, told.answer["status"]) == (0, "REJECTED")
    assert world.documents("planned-poles") == {}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["approve", "--rule", "required=maybe", "--yes"], 2, "is not NAME=approve or NAME=reject"),
        (["approve", "--rule", "moved=approve", "--yes"], 2, "has no finding of --rule moved"),
        (["approve", "--mass", "ponNumber=approve", "--yes"], 2, "has no finding of --mass ponNumber"),
        (["approve", "--rule", "required=reject", "--change", "drops/none=reject", "--yes"], 2, "are not in this batch"),
        (["reject", "--rule", "required=reject", "--yes"], 2, "refuses the whole batch"),
        (["approve", "--rule", "required=reject"], 2, "Nobody is there to be asked"),
        (["approve", "--rule", "required=reject", "--digest", "0" * 64, "--yes"], 1, "was changed after this page was made"),
        (["perhaps"], 2, "is not one of"),
    ],
)
def test_a_decision_that_cannot_be_taken_changes_nothing(
    type_: Terminal, batch: str, words: list[str], code: int, said: str
) -> None:
    told = type_.json("decide", batch, *words, user=APPROVER)
    assert told.code == code
    assert said in told.answer["error"]["what"]
    assert type_.json("show", batch).answer["batch"]["status"] == "UNDER_REVIEW"


@pytest.mark.parametrize(("user", "code"), [("stranger@example.org", 1), (None, 2), ("nobody", 2)])
def test_only_an_approver_with_a_name_decides(type_: Terminal, batch: str, user: str | None, code: int) -> None:
    told = type_.json("decide", batch, "approve", "--rule", "required=reject", "--yes", user=user)
    assert told.code == code
    assert type_.json("show", batch).answer["decisions"] == []


def test_nobody_decides_on_what_they_started(type_: Terminal) -> None:
    batch = type_.json("run", "fibre_network", user=APPROVER).answer["runs"][0]["batch"]
    told = type_.json("decide", batch, "reject", "--yes", user="Thandi+x@example.org")
    assert (told.code, "started this run" in told.answer["error"]["what"]) == (1, True)


def test_where_two_must_agree_the_first_is_told_that_one_is_missing(library: World) -> None:
    reader = {"card_number": "C1", "active": "yes", "changed_at": Timestamp(1_700_000_000)}
    library.put(library.source, "readers", [("r1", reader)])
    terminal = Terminal(library)
    batch = terminal.json("run", "library_loans", "--target", "north").answer["runs"][0]["batch"]
    first = terminal.json("decide", batch, "approve", "--yes", user=APPROVER).answer
    assert (first["status"], first["missing"]) == ("UNDER_REVIEW", 1)
    again = terminal.json("decide", batch, "approve", "--yes", user=APPROVER)
    assert (again.code, again.answer["error"]["what"]) == (1, "has decided on this batch already")
    second = terminal.json("decide", batch, "approve", "--yes", user="sipho@example.org").answer
    assert (second["status"], second["missing"], second["applied"]) == ("APPLIED", 0, 1)


def test_what_nobody_approved_is_not_promoted(type_: Terminal, world: World, batch: str) -> None:
    told = type_.json("promote", batch)
    assert (told.code, told.answer["error"]["what"]) == (1, "is UNDER_REVIEW")
    assert world.documents("drops") == {}


def test_drifted_records_are_told_by_exit_code_and_number(type_: Terminal, world: World, batch: str) -> None:
    world.put(world.production, "drops", [("DR1700030", {"dropNumber": "DR1700030", "address": "by hand"})])
    answer = approved(type_, batch, code=1)
    assert (answer["status"], answer["drifted"], answer["applied"]) == ("PARTIALLY_APPLIED", 1, 75)


def test_reading_back_finds_what_differs_and_what_was_edited(type_: Terminal, world: World, batch: str) -> None:
    refused = type_.json("readback", batch)
    assert (refused.code, refused.answer["error"]["what"]) == (1, "is UNDER_REVIEW")
    approved(type_, batch)
    assert type_.json("readback", batch).answer["verified"] == 2  # two per cent of 76, rounded up
    told = type_.json("readback", batch, "--all")
    assert (told.code, told.answer["verified"], told.answer["mismatched"]) == (0, 76, [])
    world.put(world.production, "drops", [("DR1700030", {"dropNumber": "DR1700030", "address": "by hand"})])
    told = type_.json("readback", batch, "--all")
    assert (told.code, told.answer["verified"], told.answer["edited"]) == (0, 75, 1)


def test_a_record_that_is_not_what_was_approved_is_named(type_: Terminal, world: World, batch: str) -> None:
    approved(type_, batch)
    store = world.production
    version = store._versions["drops/DR1700030"][-1]  # type: ignore[attr-defined]  # as no honest write could
    version.data = {**version.data, "address": "elsewhere"}
    told = type_.json("readback", batch, "--all")
    assert (told.code, told.answer["mismatched"]) == (1, ["drops/DR1700030"])
    assert told.answer["next_steps"] == [f"penstock show {batch} --change drops/DR1700030"]


def test_a_rollback_is_proposed_decided_and_restores(type_: Terminal, world: World, batch: str) -> None:
    approved(type_, batch)
    told = type_.json("rollback", batch)
    back = told.answer["batch"]
    assert (told.code, told.answer["status"]) == (0, "UNDER_REVIEW")
    assert len(world.documents("drops")) == 57
    decided = type_.json("decide", back, "approve", "--yes", user=APPROVER)
    assert (decided.code, decided.answer["status"], decided.answer["applied"]) == (0, "APPLIED", 76)
    assert world.documents("drops") == {}
    assert type_.json("show", batch).answer["batch"]["status"] == "ROLLED_BACK"


def test_a_rollback_of_one_change_leaves_the_rest(type_: Terminal, world: World, batch: str) -> None:
    approved(type_, batch)
    told = type_.json("rollback", batch, "--key", "drops/DR1700030", "--key", "drops/none")
    assert (told.code, told.answer["error"]["subject"]) == (2, "drops/none")
    back = type_.json("rollback", batch, "--key", "drops/DR1700030").answer["batch"]
    type_("decide", back, "approve", "--yes", user=APPROVER)
    assert len(world.documents("drops")) == 56


def test_a_rollback_is_looked_at_before_it_is_proposed(type_: Terminal, world: World, batch: str) -> None:
    approved(type_, batch)
    store, edited = world.production, "drops/DR1700030"
    store.commit([Update(edited, {"ponNumber": "mine", "note": "x"}, (("ponNumber",), ("note",)))])
    told = type_.json("rollback", "--preview", batch)
    record = told.answer["records"][0]
    assert (told.code, told.answer["edited"], told.answer["would"]) == (1, 1, {"DELETE": 75, "NONE": 1})
    assert (record["key"], record["action"], record["others"]) == (edited, "NONE", ["note"])
    field = next(f for f in record["fields"] if f["field"] == "ponNumber")
    assert (field["now"], field["would_be"], field["before"], field["edited"]) == ("mine", "mine", None, True)
    assert told.answer["next_steps"] == [
        f"penstock rollback {batch}", f"penstock rollback {batch} --overwrite-edits --preview"
    ]  # fmt: skip
    assert [b["kind"] for b in type_.json("batches").answer["batches"]] == ["sync"]
    said = type_("rollback", "--preview", batch).out
    assert "edited since: outside Penstock, the last time at" in said
    assert "ponNumber: mine is kept" in said
    lost = type_.json("rollback", "--preview", batch, "--overwrite-edits", "--key", edited)
    assert lost.answer["would"] == {"DELETE": 1}
    assert "is lost" in type_("rollback", "--preview", batch, "--overwrite-edits", "--key", edited).out


def test_one_field_is_rolled_back(type_: Terminal, world: World, batch: str) -> None:
    approved(type_, batch)
    wrong = type_.json("rollback", batch, "--field", "nonsense")
    assert (wrong.code, wrong.answer["error"]["subject"]) == (2, "nonsense")
    told = type_.json("rollback", "--preview", batch, "--field", "ponNumber", "--key", "drops/DR1700030")
    assert (told.code, [f["field"] for f in told.answer["records"][0]["fields"]]) == (0, ["ponNumber"])
    (step,) = told.answer["next_steps"]
    assert step == f"penstock rollback {batch} --key drops/DR1700030 --field ponNumber"
    back = type_.json(*step.split()[1:]).answer["batch"]
    type_("decide", back, "approve", "--yes", user=APPROVER)
    assert "ponNumber" not in world.documents("drops")["DR1700030"]
    assert "ponNumber" in world.documents("drops")["DR1700031"]


def test_what_was_taken_back_is_listed_and_forgotten(type_: Terminal, world: World, batch: str) -> None:
    assert "Nothing is declined" in type_("declined", "fibreflow").out
    approved(type_, batch)
    before = type_.json("status").answer["targets"][0]["declined"]
    back = type_.json("rollback", batch, "--key", "drops/DR1700030", "--field", "ponNumber").answer["batch"]
    type_("decide", back, "approve", "--yes", user=APPROVER)
    assert type_.json("status").answer["targets"][0]["declined"] == before + 1
    records = type_.json("declined", "fibreflow").answer["records"]
    (line,) = [r for r in records if r["key"] == "drops/DR1700030"]
    assert (line["fields"], line["batch"]) == (["ponNumber"], back)
    assert "ponNumber" in type_("declined", "fibreflow").out
    told = type_.json("forget", "fibreflow", "drops/DR1700030")
    assert (told.code, told.answer["seen"], told.answer["unseen"]) == (0, ["drops/DR1700030"], [])
    again = type_.json(*told.answer["next_steps"][0].split()[1:]).answer["runs"][0]["batch"]
    assert [c["key"] for c in type_.json("show", again).answer["changes"]] == ["drops/DR1700030"]
    wrong = type_.json("forget", "fibreflow", "drops/none")
    assert (wrong.code, wrong.answer["error"]["subject"]) == (2, "drops/none")


def test_what_was_not_promoted_cannot_be_rolled_back(type_: Terminal, batch: str) -> None:
    told = type_.json("rollback", batch)
    assert (told.code, told.answer["error"]["what"]) == (1, "is UNDER_REVIEW")


@pytest.mark.parametrize("command", ["run fibre_network", "rollback B", "retry B", "decide B approve", "pause fibreflow"])
def test_whoever_acts_says_who_they_are(type_: Terminal, command: str) -> None:
    told = type_.json(*command.split(), user=None)
    assert told.code == 2
    assert "--as you@example.org" in told.answer["error"]["what"]


def test_the_name_given_counts_before_the_environment(type_: Terminal) -> None:
    batch = type_.json("run", "fibre_network", "--as", "other@example.org").answer["runs"][0]["batch"]
    assert type_.json("show", batch).answer["batch"]["started_by"] == "other@example.org" != OPERATOR
