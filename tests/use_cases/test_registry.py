"""Targets as documents of a hub: declared, changed, paused in stages, and broken without harm to the others."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest
from penstock.core import audit, layout
from penstock.core.errors import Conflict, Denied, InvalidInput, NotFound, OutcomeUnknown, Refused
from penstock.core.records import Query, Set, Write
from penstock.core.values import Timestamp
from penstock.entrypoints import privileges
from penstock.pipelines.schema import FOLDER, load
from penstock.ports import Store
from penstock.use_cases import registry
from penstock.use_cases.context import load_target
from penstock.wiring import Contexts
from support.tenants import CENTRAL, OPERATOR, Tenants

ALPHA = "library_loans.alpha"


@pytest.fixture
def world() -> Tenants:
    return Tenants()


def entries(world: Tenants) -> list[dict[str, object]]:
    return [dict(found.fields) for found in world.hub.scan(Query(layout.AUDIT))]


def test_a_declared_target_is_one_to_work_on(world: Tenants) -> None:
    world.declare("alpha", approvers=["ann@example.org"], approvals=1, expires="2 days", stage="pilot", active=True)
    (ctx,) = world.contexts.of_pipeline("library_loans")
    assert (ctx.id, ctx.target.prefix, ctx.target.stage, ctx.target.active) == (ALPHA, "tenants/alpha/", "pilot", True)
    assert (ctx.approvers, ctx.pipeline.gate.approvals, ctx.pipeline.gate.expires) == (("ann@example.org",), 1, dt.timedelta(2))
    assert world.contexts.target(ALPHA) == ctx
    assert load_target(ctx).update_time is None


def test_where_all_targets_are_declared_a_pipeline_that_is_not_there_is_told_too(world: Tenants) -> None:
    with pytest.raises(NotFound, match="There are: library_loans"):
        world.contexts.of_pipeline("lost")


def test_without_approvers_of_its_own_those_of_the_pipeline_decide(world: Tenants) -> None:
    world.declare("alpha")
    ctx = world.contexts.target(ALPHA)
    assert (ctx.approvers, ctx.pipeline.gate.approvals) == (CENTRAL, 2)


def test_a_target_has_bands_of_its_own_and_the_others_are_the_pipelines(world: Tenants) -> None:
    world.declare("alpha", overrides={"changed_share": 0.9, "shrunken": None})
    world.declare("beta")
    alpha, beta = (ctx.pipeline.brakes for ctx in world.contexts.all())
    assert (alpha.changed_share, alpha.shrunken) == (0.9, None)
    assert beta == world.pipeline.brakes
    assert alpha.deleted_share == beta.deleted_share
    assert beta.shrunken is not None


def test_who_changed_what_and_when_stands_in_the_document_and_in_the_audit_chain(world: Tenants) -> None:
    world.declare("alpha")
    registry.change(world.ports, world.pipeline, ALPHA, {"active": True}, "maya@example.org")
    registry.set_stages(world.ports, world.pipeline, ("pilot",), (), OPERATOR)
    registry.remove(world.ports, world.pipeline, ALPHA, "zoe@example.org")
    chain = entries(world)
    assert [(e["what"], e["who"]) for e in chain] == [
        ("added", OPERATOR), ("changed", "maya@example.org"), ("rollout", OPERATOR), ("removed", "zoe@example.org"),
    ]  # fmt: skip
    assert [e["previous"] for e in chain] == [audit.GENESIS, *(e["hash"] for e in chain[:-1])]
    assert all(audit.digest(e) == e["hash"] for e in chain)  # type: ignore[arg-type]
    changed = chain[1]["detail"]
    assert (changed["before"].get("active"), changed["after"]["active"]) == (None, True)  # type: ignore[index]
    assert changed["after"]["changed_by"] == "maya@example.org"  # type: ignore[index]
    assert world.contexts.of_pipeline("library_loans") == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"activ": True}, "activ: is not a key here. Did you mean `active`?"),
        ({"active": "yes"}, "active: is 'yes'"),
        ({"approvers": ["ann"]}, "approvers.0: is no address"),
        ({"approvers": ["ann@example.org"]}, "approvals: are 2, and there are 1 approvers"),
        ({"approvers": ["ann@example.org", "ann@example.org"]}, "approvers: name one twice"),
        ({"approvals": 3}, "asks for 3 approvals, and 2 people decide for it"),
        ({"prefix": "tenants/alpha"}, "prefix: is no prefix"),
        ({"expires": "soon"}, "expires: is no duration"),
        ({"stage": "First!"}, "stage: is 'First!', and must match"),
        ({"partitions": ["NP"]}, "partitions: play no part"),
        ({"overrides": {"changed": 1}}, "overrides.changed: is not a key here. Did you mean `changed_share`?"),
        ({"project": "nowhere"}, "PENSTOCK_PROJECT_NOWHERE"),
    ],
)
def test_what_cannot_be_used_is_told_and_nothing_is_written(world: Tenants, given: dict[str, object], told: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        world.declare("alpha", **given)
    assert told in str(refused.value)
    assert list(world.hub.scan(Query(layout.REGISTRY))) == []
    assert entries(world) == []


def test_a_change_that_would_break_a_target_leaves_it_as_it_was(world: Tenants) -> None:
    world.declare("alpha")
    with pytest.raises(InvalidInput, match="Nothing was written"):
        registry.change(world.ports, world.pipeline, ALPHA, {"approvals": 0}, OPERATOR)
    assert registry.one(world.ports, world.pipeline, ALPHA).data.get("approvals") is None


def test_a_partitioned_source_needs_partitions() -> None:
    pipeline = load(FOLDER / "tenant_geography.yaml")
    world = Tenants(pipeline)
    with pytest.raises(InvalidInput, match=r"partitions: are none\. Name at least one"):
        world.declare("nepal")
    world.declare("nepal", partitions=["NP"])
    assert world.contexts.all()[0].target.partitions == ("NP",)


def test_no_two_targets_write_to_the_same_place(world: Tenants) -> None:
    world.declare("alpha", prefix="")
    with pytest.raises(InvalidInput, match=r"same place as library_loans\.alpha"):
        world.declare("beta", prefix="")
    with pytest.raises(Refused, match="is declared already"):
        world.declare("alpha")
    world.break_("beta")  # written by hand
    good, bad = world.contexts.survey()
    assert [ctx.id for ctx in good] == [ALPHA]
    assert len(bad) == 1
    assert "library_loans.beta: writes to the same place as library_loans.alpha" in bad[0]


@pytest.mark.parametrize("place", [{}, {"database": "own"}, {"prefix": "x/y/"}, {"database": "own", "prefix": "x/y/"}])
@pytest.mark.parametrize("spelled", [{}, {"database": "(default)", "prefix": ""}])
def test_of_two_targets_at_one_place_the_second_is_broken_also_where_it_is_asked_for_alone(
    world: Tenants, place: dict[str, str], spelled: dict[str, str]
) -> None:
    world.break_("alpha", **place)  # all by hand
    world.break_("beta", **{**spelled, **place})
    world.break_("delta", **{**place, "database": "another"})
    world.break_("gamma", **{**place, "prefix": "z/z/"})
    assert [ctx.target.name for ctx in world.contexts.survey()[0]] == ["alpha", "delta", "gamma"]
    for name in ("alpha", "delta", "gamma"):
        assert world.contexts.target(f"library_loans.{name}").target.name == name
    for ask in (world.contexts.target, world.contexts.called, world.contexts.confined(privileges.CHECK).target):
        with pytest.raises(InvalidInput, match=r"beta: writes to the same place as library_loans\.alpha"):
            ask("library_loans.beta")


def test_one_of_another_pipeline_takes_no_place(world: Tenants) -> None:
    world.break_("beta")
    data = {**world.hub.get([layout.registered("library_loans.beta")])[0].fields, "pipeline": "library", "target": "a"}
    world.hub.commit([Set(layout.registered("library.a"), data)])
    assert world.contexts.target("library_loans.beta").target.name == "beta"


def test_one_that_is_broken_itself_takes_no_place(world: Tenants) -> None:
    world.break_("alpha", stage=7)
    world.break_("beta")
    assert [ctx.target.name for ctx in world.contexts.all()] == ["beta"]
    assert world.contexts.target("library_loans.beta").target.name == "beta"


def test_the_second_at_a_place_can_be_removed_and_not_while_something_of_it_is_on_the_way(world: Tenants) -> None:
    world.declare("alpha", prefix="")
    world.declare("beta")
    ctx = world.contexts.target("library_loans.beta")
    ctx.store.commit([load_target(ctx).write(open="library_loans.beta.20260101t000000-000000")])
    world.break_("beta")
    with pytest.raises(Refused, match="has something on the way"):
        registry.remove(world.ports, world.pipeline, ctx.id, OPERATOR)
    registry.remove(world.ports, world.pipeline, ctx.id, OPERATOR, at_once=True)
    assert [ctx.id for ctx in world.contexts.all()] == [ALPHA]


def test_a_broken_document_is_one_line_and_stops_no_other(world: Tenants) -> None:
    world.declare("alpha")
    world.break_("broken", prefix=3, stage=["x"])
    world.declare("zeta")
    good, bad = world.contexts.survey()
    assert [ctx.target.name for ctx in good] == ["alpha", "zeta"]
    (line,) = bad
    assert line.startswith("library_loans.broken: is not declared rightly. prefix: is no prefix.")
    assert "penstock targets set library_loans.broken" in line
    with pytest.raises(InvalidInput, match="is not declared rightly"):
        world.contexts.target("library_loans.broken")


def test_a_document_of_another_pipeline_is_none_of_this_one(world: Tenants) -> None:
    world.declare("alpha")
    world.break_("x")
    stray = dict(world.hub.get([layout.registered("library_loans.x")])[0].fields)
    world.hub.commit([Set(layout.registered("library_loans_2.x"), stray), Set(layout.registered("library.x"), stray)])
    assert {entry.id for entry in world.contexts.registered("library_loans")} == {ALPHA, "library_loans.x"}


def test_a_document_under_another_name_is_broken(world: Tenants) -> None:
    world.declare("alpha")
    data = dict(world.hub.get([layout.registered(ALPHA)])[0].fields)
    world.hub.commit([Set(layout.registered("library_loans.other"), {**data, "prefix": "tenants/other/"})])
    assert "Make the two alike" in world.contexts.survey()[1][0]


@pytest.mark.parametrize("id", ["library_loans.nobody", "none.alpha", "library_loans.", "library_loans.A/b", "x" * 2_000, ""])
def test_an_unknown_target_is_told_so_without_a_write(world: Tenants, id: str) -> None:
    world.declare("alpha")
    with pytest.raises(NotFound):
        world.contexts.target(id)


def test_an_error_names_a_few_targets_and_says_how_many_more_there_are(world: Tenants) -> None:
    for n in range(23):
        world.declare(f"t{n:02d}")
    with pytest.raises(NotFound, match=r"library_loans\.t19 and 3 more\."):
        world.contexts.called("nobody")
    assert (
        world.contexts.called("t07")
        == world.contexts.called("library_loans.t07")
        == world.contexts.called("t07", "library_loans")
    )


def test_a_hub_that_cannot_be_read_stops_no_other_pipeline(world: Tenants) -> None:
    world.declare("alpha")
    nameless = replace(world.ports, project_ids={k: v for k, v in world.ports.project_ids.items() if k != "hub"})
    static = load(FOLDER / "fibre_network.yaml")
    both = Contexts(nameless, {"library_loans": world.pipeline, "fibre_network": static})
    good, bad = both.survey()
    assert [ctx.pipeline.name for ctx in good] == ["fibre_network"]
    assert "PENSTOCK_PROJECT_HUB" in bad[0]


def test_a_target_with_something_on_the_way_is_not_removed(world: Tenants) -> None:
    world.declare("alpha")
    ctx = world.contexts.target(ALPHA)
    ctx.store.commit([load_target(ctx).write(open="library_loans.alpha.20260101t000000-000000")])
    with pytest.raises(Refused, match="has something on the way"):
        registry.remove(world.ports, world.pipeline, ALPHA, OPERATOR)
    registry.remove(world.ports, world.pipeline, ALPHA, OPERATOR, at_once=True)
    assert world.contexts.all() == []


def test_a_broken_document_can_be_mended_and_removed(world: Tenants) -> None:
    world.break_("alpha", prefix="tenants/alpha/", stage=7)
    mended = registry.change(world.ports, world.pipeline, ALPHA, {"stage": None}, OPERATOR)
    assert mended.target is not None
    world.break_("beta", prefix=1)
    registry.remove(world.ports, world.pipeline, "library_loans.beta", OPERATOR)
    assert [ctx.id for ctx in world.contexts.all()] == [ALPHA]


def test_stages_are_closed_until_somebody_opens_them(world: Tenants) -> None:
    world.declare("alpha", stage="pilot")
    world.declare("beta", stage="second")
    world.declare("gamma")
    alpha, beta, gamma = world.contexts.all()
    for waiting in (alpha, beta):
        with pytest.raises(Refused, match=r"which is not open"):
            registry.demand_open(waiting)
    registry.demand_open(gamma)
    assert registry.set_stages(world.ports, world.pipeline, ("pilot",), (), OPERATOR).stages == ("pilot",)
    registry.demand_open(alpha)
    registry.set_stages(world.ports, world.pipeline, ("second",), ("pilot",), OPERATOR)
    registry.demand_open(beta)
    with pytest.raises(Refused, match=r"penstock targets rollout library_loans --open pilot"):
        registry.demand_open(alpha)


def test_a_disabled_target_is_not_run(world: Tenants) -> None:
    world.declare("alpha", enabled=False)
    with pytest.raises(Refused, match=r"penstock targets set library_loans\.alpha --enable"):
        registry.demand_open(world.contexts.all()[0])


class Losing:
    """A hub whose commit loses a race, or whose answer is lost, once."""

    def __init__(self, store: Store, error: Exception, *, applied: bool) -> None:
        self._store, self._error, self._applied, self.lost = store, error, applied, False

    def __getattr__(self, name: str) -> object:
        return getattr(self._store, name)

    def commit(self, writes: list[Write]) -> Timestamp:
        if not self.lost:
            self.lost = True
            if self._applied:
                self._store.commit(writes)
            raise self._error
        return self._store.commit(writes)


@pytest.mark.parametrize(
    ("error", "applied"),
    [(Conflict("raced"), False), (OutcomeUnknown("lost"), False), (OutcomeUnknown("lost"), True)],
    ids=["raced", "not applied", "applied"],
)
def test_an_edit_is_made_once_whatever_becomes_of_its_answer(
    world: Tenants, monkeypatch: pytest.MonkeyPatch, error: Exception, applied: bool
) -> None:
    losing = Losing(world.hub, error, applied=applied)
    opened = world.ports.stores.open
    monkeypatch.setattr(world.ports.stores, "open", lambda project, db: losing if project == "demo-hub" else opened(project, db))
    world.declare("alpha")
    assert losing.lost
    assert [e["what"] for e in entries(world)] == ["added"]


class Overtaken(Losing):
    """A hub whose commit is applied, its answer lost, and another operator's edit written before anybody looks."""

    def __init__(self, store: Store, world: Tenants) -> None:
        super().__init__(store, OutcomeUnknown("lost"), applied=True)
        self._world = world

    def commit(self, writes: list[Write]) -> Timestamp:
        try:
            return super().commit(writes)
        except OutcomeUnknown:
            registry.set_stages(self._world.ports, self._world.pipeline, ("pilot",), (), "other@example.org")
            raise


def test_an_edit_whose_answer_was_lost_is_made_once_though_another_follows_before_it_is_looked_for(
    world: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    overtaken, opened = Overtaken(world.hub, world), world.ports.stores.open
    monkeypatch.setattr(
        world.ports.stores, "open", lambda project, db: overtaken if project == "demo-hub" else opened(project, db)
    )
    world.declare("alpha")
    assert [(e["what"], e["who"]) for e in entries(world)] == [("added", OPERATOR), ("rollout", "other@example.org")]
    overtaken.lost = False
    registry.remove(world.ports, world.pipeline, ALPHA, OPERATOR)
    assert world.contexts.all() == []


def test_two_operators_at_once_both_have_their_say(world: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    world.declare("alpha")
    commit, raced = world.hub.commit, []

    def racing(writes: list[Write]) -> Timestamp:
        if not raced:
            raced.append(1)
            registry.change(world.ports, world.pipeline, ALPHA, {"active": True}, "other@example.org")
        return commit(writes)

    monkeypatch.setattr(world.hub, "commit", racing)
    registry.change(world.ports, world.pipeline, ALPHA, {"stage": "pilot"}, OPERATOR)
    data = registry.one(world.ports, world.pipeline, ALPHA).data
    assert (data["active"], data["stage"]) == (True, "pilot")
    assert [e["who"] for e in entries(world)] == [OPERATOR, "other@example.org", OPERATOR]


def test_an_entry_point_keeps_a_declaration_for_seconds_and_a_command_never_does(world: Tenants) -> None:
    world.declare("alpha", stage="pilot")
    confined = world.contexts.confined(privileges.CHECK)
    assert confined.target(ALPHA).target.stage == "pilot"
    registry.change(world.ports, world.pipeline, ALPHA, {"stage": "second"}, OPERATOR)
    before = world.hub.bill.reads
    assert confined.target(ALPHA).target.stage == "pilot"
    assert world.hub.bill.reads == before
    assert world.contexts.target(ALPHA).target.stage == "second"
    world.clock.forward(31)
    assert confined.target(ALPHA).target.stage == "second"


def test_what_is_done_for_a_target_reaches_that_target_alone(world: Tenants) -> None:
    world.declare("alpha")
    world.declare("beta")
    alpha = world.contexts.confined(privileges.CAPTURE).target(ALPHA)
    assert alpha.store.get(["tenants/alpha/loans/1"])[0].exists is False
    with pytest.raises(Denied, match="may not read"):
        alpha.store.get(["tenants/beta/loans/1"])
