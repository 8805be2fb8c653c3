"""Targets declared by hand: listed, added, changed, removed, and opened by stages."""

from __future__ import annotations

import pytest
from penstock.core import layout
from penstock.core.errors import Unavailable
from penstock.core.records import Query
from penstock.use_cases import fan_out
from support.tenants import OPERATOR, Tenants
from support.world import World
from terminal import Terminal

ADD = ("targets", "add", "library_loans")


@pytest.fixture
def tenants() -> Tenants:
    return Tenants()


@pytest.fixture
def on_hub(tenants: Tenants) -> Terminal:
    return Terminal(tenants)


def alpha(on_hub: Terminal, *more: str) -> None:
    assert on_hub(*ADD, "alpha", "--project", "tenants", "--prefix", "tenants/alpha/", *more).code == 0


def test_a_target_is_added_with_all_that_can_be_said_of_it(on_hub: Terminal) -> None:
    told = on_hub.json(
        *ADD, "alpha", "--project", "tenants", "--database", "alpha", "--approver", "ann@example.org", "--approver",
        "bo@example.org", "--approvals", "1", "--expires", "2 days", "--stage", "pilot", "--active", "--band",
        "changed_share=0.9", "--band", "shrunken=null",
    )  # fmt: skip
    (target,) = told.answer["targets"]
    assert (told.code, target["target"], target["project"], target["database"]) == (0, "library_loans.alpha", "tenants", "alpha")
    assert (target["approvers"], target["central"], target["approvals"]) == (["ann@example.org", "bo@example.org"], False, 1)
    assert (target["stage"], target["waits"], target["active"], target["enabled"]) == ("pilot", True, True, True)
    assert target["overrides"] == {"changed_share": 0.9, "shrunken": None}
    assert (target["changed_by"], target["changed_at"][:2]) == (OPERATOR, "20")
    assert told.answer["next_steps"] == ["penstock run library_loans --target library_loans.alpha"]


def test_adding_says_who_decides_and_what_it_waits_for(on_hub: Terminal) -> None:
    out = on_hub(*ADD, "alpha", "--project", "tenants", "--stage", "pilot").out
    assert "library_loans.alpha is declared." in out
    assert "not run before its stage `pilot` is open" in out
    assert "2 approvals of thandi@example.org, sipho@example.org" in out


def test_the_list_tells_where_a_target_writes_who_decides_and_whether_it_runs(on_hub: Terminal, tenants: Tenants) -> None:
    alpha(on_hub, "--stage", "pilot")
    on_hub(*ADD, "beta", "--project", "tenants", "--prefix", "tenants/beta/", "--disable")
    on_hub(*ADD, "gamma", "--project", "tenants", "--prefix", "tenants/gamma/", "--active")
    tenants.break_("delta", prefix=7)
    told = on_hub.json("targets", "list")
    assert told.code == 1  # one is broken
    runs = {
        t["target"].partition(".")[2]: (t["waits"], t["enabled"], t["active"], bool(t["broken"])) for t in told.answer["targets"]
    }
    assert runs == {
        "alpha": (True, True, False, False), "beta": (False, False, False, False),
        "gamma": (False, True, True, False), "delta": (False, False, False, True),
    }  # fmt: skip
    out = on_hub("targets", "list", "library_loans").out
    for words in (
        "tenants (default) tenants/alpha/",
        "its stage is not open",
        "no, disabled",
        "active",
        "(central)",
        "is no prefix",
    ):
        assert words in out


def test_targets_that_a_file_names_are_listed_too(world: World) -> None:
    told = Terminal(world).json("targets", "list")
    assert [(t["target"], t["changed_by"], t["central"]) for t in told.answer["targets"]] == [
        ("fibre_network.fibreflow", "", True)
    ]


def test_without_any_target_the_list_says_how_to_add_one(on_hub: Terminal) -> None:
    assert "No target is declared." in on_hub("targets", "list").out
    assert on_hub.json("targets", "list").answer["next_steps"] == ["penstock targets add library_loans NAME --project PROJECT"]


def test_a_target_is_changed_and_what_is_cleared_is_the_pipelines_again(on_hub: Terminal) -> None:
    alpha(on_hub, "--approver", "ann@example.org", "--approvals", "1", "--stage", "pilot")
    (changed,) = on_hub.json("targets", "set", "alpha", "--active", "--clear", "stage").answer["targets"]
    assert (changed["active"], changed["stage"], changed["approvers"]) == (True, "", ["ann@example.org"])
    words = ("targets", "set", "library_loans.alpha", "--clear", "approvers", "--clear", "approvals", "--disable")
    (changed,) = on_hub.json(*words, user="maya@example.org").answer["targets"]
    assert (changed["central"], changed["approvals"], changed["enabled"], changed["active"]) == (True, 2, False, True)
    assert changed["changed_by"] == "maya@example.org"


def test_a_target_says_of_what_nobody_is_asked_there(on_hub: Terminal) -> None:
    alpha(on_hub, "--auto-approve", "retitled")
    assert "unasked: retitled" in on_hub("targets", "list").out

    def after(*words: str) -> list[str]:
        (target,) = on_hub.json("targets", "set", "alpha", *words).answer["targets"]
        found: list[str] = target["auto_approve"]
        return found

    assert after("--stage", "pilot") == ["retitled"]
    assert after("--ask-always") == []
    assert after("--auto-approve", "retitled") == ["retitled"]
    assert after("--clear", "auto_approve") == []


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("targets", "set", "alpha"), 2, "nothing was said to change"),
        (("targets", "set", "alpha", "--auto-approve", "moved"), 2, "There are: retitled"),
        (("targets", "set", "alpha", "--auto-approve", "retitled", "--ask-always"), 2, "say the opposite of each other"),
        (("targets", "set", "nobody", "--active"), 2, "is declared by no hub"),
        (("targets", "set", "alpha", "--band", "changed_share"), 2, "is no band"),
        (("targets", "set", "alpha", "--band", "changed_share=[1"), 2, "is no band"),
        (("targets", "set", "alpha", "--band", "changed_share=7"), 2, "overrides.changed_share: is 7"),
        (("targets", "set", "alpha", "--expires", "tomorrow"), 2, "is no duration"),
        ((*ADD, "alpha", "--project", "tenants"), 1, "is declared already"),
        ((*ADD, "Alpha!", "--project", "tenants"), 2, "must match"),
        ((*ADD, "beta", "--project", "nowhere"), 2, "PENSTOCK_PROJECT_NOWHERE"),
        (("targets", "add", "none", "beta", "--project", "tenants"), 2, "There are: library_loans"),
        (("targets", "rollout", "library_loans", "--open", "pilto"), 2, "There are: pilot"),
        (("targets", "remove", "nobody"), 2, "is declared by no hub"),
    ],
)
def test_what_cannot_be_done_is_told_and_changes_nothing(
    on_hub: Terminal, tenants: Tenants, words: tuple[str, ...], code: int, told: str
) -> None:
    alpha(on_hub, "--stage", "pilot")
    before = {s.path: s.update_time for s in tenants.hub.scan(Query(layout.REGISTRY))}
    answer = on_hub(*words)
    assert answer.code == code
    assert told in answer.err
    assert {s.path: s.update_time for s in tenants.hub.scan(Query(layout.REGISTRY))} == before


def test_a_pipeline_without_a_hub_takes_no_targets(world: World) -> None:
    answer = Terminal(world)("targets", "add", "fibre_network", "other", "--project", "onemap")
    assert (answer.code, "has no hub" in answer.err) == (2, True)


def test_removing_leaves_the_database_alone_and_says_so(on_hub: Terminal, tenants: Tenants) -> None:
    alpha(on_hub)
    answer = on_hub("targets", "remove", "alpha")
    assert (answer.code, "is removed; its database is as it was" in answer.out) == (0, True)
    assert tenants.contexts.all() == []


def test_a_broken_target_can_be_removed(on_hub: Terminal, tenants: Tenants) -> None:
    tenants.break_("delta", prefix=7)
    assert on_hub.json("targets", "remove", "library_loans.delta").code == 0
    assert on_hub("targets", "list").code == 0


def test_stages_are_shown_opened_and_closed(on_hub: Terminal) -> None:
    alpha(on_hub, "--stage", "pilot")
    on_hub(*ADD, "beta", "--project", "tenants", "--prefix", "tenants/beta/")
    shown = on_hub.json("targets", "rollout", "library_loans").answer
    assert shown["stages"] == [{"stage": "", "open": True, "targets": 1}, {"stage": "pilot", "open": False, "targets": 1}]
    opened = on_hub.json("targets", "rollout", "library_loans", "--open", "pilot").answer
    assert (opened["stages"][1]["open"], opened["changed_by"]) == (True, OPERATOR)
    assert "closed" in on_hub("targets", "rollout", "library_loans", "--close", "pilot").out


def test_a_target_is_found_by_its_own_name_where_it_is_the_only_one_called_so(on_hub: Terminal) -> None:
    alpha(on_hub)
    assert on_hub("pause", "alpha").code == 0
    told = on_hub("pause", "nobody")
    assert (told.code, "There are: library_loans.alpha." in told.err) == (2, True)


def test_runs_are_listed_and_told_target_by_target(on_hub: Terminal, tenants: Tenants) -> None:
    assert "There is no run yet." in on_hub("targets", "runs", "library_loans").out
    alpha(on_hub)
    on_hub(*ADD, "beta", "--project", "tenants", "--prefix", "tenants/beta/", "--disable")
    known = tenants.contexts
    found = fan_out.spread(
        tenants.ports,
        tenants.pipeline,
        known.registered("library_loans"),
        lambda t: known.of("library_loans", t),
        fan_out.Wanted(),
    )
    run = fan_out.ask(tenants.ports, tenants.pipeline, found, "changes", "schedule")
    fan_out.note(found.todo[0], run.id, Unavailable("the database is away"))
    told = on_hub.json("targets", "runs", "library_loans")
    assert [(r["run"], r["by"], r["counts"]["asked"], r["counts"]["disabled"]) for r in told.answer["runs"]] == [
        (run.id, "schedule", 1, 1)
    ]
    assert told.answer["next_steps"] == [f"penstock targets runs library_loans {run.id}"]
    one = on_hub.json("targets", "runs", "library_loans", run.id)
    assert (one.code, [(t["target"], t["outcome"], t["text"]) for t in one.answer["targets"]]) == (
        1, [("library_loans.alpha", "failed", "the database is away")],
    )  # fmt: skip
    out = on_hub("targets", "runs", "library_loans", run.id).out
    assert "library_loans.beta is disabled." in out
    for strange in ("nonsense", "a/b", "library_loans.20260101t000000-000000"):
        assert on_hub("targets", "runs", "library_loans", strange).code == 2


def test_the_status_of_one_pipeline_tells_of_its_broken_targets_too(on_hub: Terminal, tenants: Tenants) -> None:
    alpha(on_hub)
    tenants.break_("delta", prefix=7)
    for words in (["status"], ["status", "library_loans"]):
        told = on_hub(*words)
        assert "alpha" in told.out
        assert "library_loans.delta" in told.err


def test_a_target_that_is_declared_wrongly_is_told_and_stops_no_other(on_hub: Terminal, tenants: Tenants) -> None:
    alpha(on_hub)
    tenants.break_("delta", prefix=7)
    told = on_hub.json("targets", "state", "library_loans")
    assert (told.code, list(told.answer["failed"])) == (1, ["library_loans.delta"])
    assert "prefix" in told.answer["failed"]["library_loans.delta"]
    assert {line["target"] for line in told.answer["standings"]} == {"library_loans.alpha"}
    assert "library_loans.delta could not be looked at." in on_hub("targets", "state", "library_loans").out
