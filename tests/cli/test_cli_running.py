"""`penstock run` over many targets: one line each, and exit codes that say what came of them together."""

from __future__ import annotations

import pytest
from penstock.core.errors import Unavailable
from penstock.use_cases import pausing, registry
from penstock.use_cases.context import load_target
from support.landlord import country, unit
from support.tenants import OPERATOR, LandlordTenants, Tenants
from support.world import World
from terminal import Terminal, Told

RUN = ("run", "library_loans")


@pytest.fixture
def tenants() -> Tenants:
    """Three readers in the source; three targets."""
    made = Tenants()
    readers = [(f"c{n}", {"card_number": f"c{n}", "active": "true", "language": "pt"}) for n in range(3)]
    source = made.ports.stores.open("demo-catalogue", "main")
    made.put(source, "readers", readers)
    made.put(source, "loans", [("l1", {"loan_number": "1", "book": {"title": "x"}})])
    made.declare("alpha", active=True)
    made.declare("beta", stage="pilot")
    made.declare("gamma")
    return made


@pytest.fixture
def on_hub(tenants: Tenants) -> Terminal:
    return Terminal(tenants)


def outcomes(told: Told) -> dict[str, str]:
    runs = told.answer["runs"]
    return {r["target"].partition(".")[2]: r["error"]["what"] if r["error"] else r["status"] or "nothing" for r in runs}


@pytest.mark.parametrize("words", [RUN, (*RUN, "--all")])
def test_all_are_run_whose_stage_is_open_and_the_others_say_why_not(on_hub: Terminal, words: tuple[str, ...]) -> None:
    told = on_hub.json(*words)
    assert (told.code, outcomes(told)) == (0, {"alpha": "UNDER_REVIEW", "gamma": "UNDER_REVIEW"})
    (left,) = told.answer["not_run"]
    assert (left["target"], left["why"]) == ("library_loans.beta", "waits")
    assert "waits for its stage `pilot`, which is not open." in on_hub(*words).out


def test_active_targets_or_those_of_a_stage_are_run_alone(on_hub: Terminal, tenants: Tenants) -> None:
    registry.set_stages(tenants.ports, tenants.pipeline, ("pilot",), (), OPERATOR)
    assert set(outcomes(on_hub.json(*RUN, "--active"))) == {"alpha"}
    assert set(outcomes(on_hub.json(*RUN, "--stage", "pilot"))) == {"beta"}
    assert set(outcomes(on_hub.json(*RUN, "--target", "gamma"))) == {"gamma"}


def test_one_target_of_a_closed_stage_is_refused_with_the_command_that_opens_it(on_hub: Terminal) -> None:
    told = on_hub.json(*RUN, "--target", "beta")
    assert (told.code, told.answer["error"]["what"]) == (1, "waits for the stage `pilot`, which is not open")
    assert told.answer["next_steps"] == ["penstock targets rollout library_loans --open pilot"]


def test_where_none_may_run_the_command_says_why_and_is_no_success(on_hub: Terminal, tenants: Tenants) -> None:
    for name in ("alpha", "gamma"):
        pausing.pause(tenants.contexts.called(name), OPERATOR)
    told = on_hub(*RUN)
    assert told.code == 1
    assert "library_loans.alpha is paused." in told.out


def test_a_selection_that_nobody_fits_is_an_error_that_says_whom_there_is(on_hub: Terminal) -> None:
    told = on_hub.json(*RUN, "--stage", "second", "--active")
    assert told.code == 2
    assert told.answer["error"]["what"] == "has no target that is of the stage `second` and active"
    assert "There are 3 targets, 1 of them active; stages: pilot (1)." in told.answer["error"]["remedy"]
    assert told.answer["next_steps"] == ["penstock targets list library_loans"]


def test_one_that_is_broken_or_fails_stops_no_other_and_sets_the_exit_code(
    on_hub: Terminal, tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants.break_("delta", prefix=7)
    told = on_hub.json(*RUN)
    assert (told.code, set(outcomes(told))) == (1, {"alpha", "gamma"})
    assert [left["why"] for left in told.answer["not_run"]] == ["broken", "waits"]
    tenants.declare("epsilon", database="epsilon", prefix="")
    monkeypatch.setattr(tenants.ports.stores.open("demo-tenants", "epsilon"), "get", away)
    told = on_hub.json(*RUN)
    assert told.code == 3
    assert outcomes(told)["epsilon"] == "the database is away"
    assert {run["target"] for run in told.answer["runs"]} == {
        "library_loans.alpha",
        "library_loans.gamma",
        "library_loans.epsilon",
    }


def away(*_: object, **__: object) -> None:
    raise Unavailable("the database is away")


def test_a_run_of_everything_and_one_that_counts_cannot_be_meant_at_once(on_hub: Terminal, tenants: Tenants) -> None:
    told = on_hub(*RUN, "--full", "--reconcile")
    assert (told.code, "--full finds what is gone too" in told.err) == (2, True)
    assert all(load_target(ctx).update_time is None for ctx in tenants.contexts.all())


def test_one_target_and_many_cannot_be_meant_at_once(on_hub: Terminal) -> None:
    told = on_hub(*RUN, "--target", "alpha", "--all")
    assert (told.code, "Say one of them." in told.err) == (2, True)


def test_targets_of_a_file_are_run_all_together_and_have_no_stages(library: World) -> None:
    told = Terminal(library)("run", "library_loans", "--active")
    assert (told.code, "has no active targets and no stages" in told.err) == (2, True)
    assert len(Terminal(library).json("run", "library_loans", "--all").answer["runs"]) == 2


def test_full_and_force_are_one(on_hub: Terminal) -> None:
    for word in ("--full", "--force"):
        assert {run["mode"] for run in on_hub.json(*RUN, word).answer["runs"]} == {"full"}


def test_a_quarantined_country_is_told_and_sets_the_exit_code_while_the_others_are_run() -> None:
    made = LandlordTenants()
    made.publish([*country("XA"), unit("XB-1", 2, "nowhere", "XB")])
    made.declare("alpha", partitions=["XA"])
    made.declare("beta", partitions=["XB"])
    type_ = Terminal(made)
    told = type_.json("run", "tenant_geography", "--no-wait")
    assert (told.code, list(outcomes(told))) == (1, ["alpha"])
    (trouble,) = told.answer["troubles"]
    assert "landlord XB" in trouble
    assert "is quarantined" in trouble
    assert [(left["target"], left["why"]) for left in told.answer["not_run"]] == [("tenant_geography.beta", "no release")]
    made.pump()
    again = type_("run", "tenant_geography")
    assert again.code == 1
    assert "1 target has nothing new." in again.out
    assert "is quarantined" in again.out
    alone = type_("run", "tenant_geography", "--target", "beta")
    assert alone.code == 1
    assert "is quarantined" in alone.out
