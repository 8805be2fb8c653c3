"""A run over many targets: one message each, one line each, and none that stops another."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from penstock import wiring
from penstock.core import layout
from penstock.core.errors import Unavailable
from penstock.core.records import Query, Set
from penstock.entrypoints import workers
from penstock.local.identity import Issuer
from penstock.settings import Settings
from penstock.use_cases import fan_out, pausing, registry, topics
from penstock.use_cases.context import load_target
from penstock.use_cases.lease import MODES
from serving import ACCOUNT, AUDIENCE, served
from support.landlord import country, unit
from support.tenants import CENTRAL, OPERATOR, LandlordTenants, Tenants
from support.world import KEYS

LIBRARY = {"pipeline": "library_loans"}


@pytest.fixture
def tenants(monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> Iterator[Tenants]:
    """Three readers in the source, and no target yet."""
    made = Tenants()
    settings = Settings(
        projects={}, people={}, keys=KEYS, audience=AUDIENCE, accounts=frozenset({ACCOUNT}), certs_url=issuer.certs_url
    )
    wiring.use(made.contexts)
    monkeypatch.setattr(wiring, "settings", lambda: settings)
    readers = [(f"c{n}", {"card_number": f"c{n}", "active": "true", "language": "pt"}) for n in range(3)]
    made.put(made.ports.stores.open("demo-catalogue", "main"), "readers", readers)
    made.put(made.ports.stores.open("demo-catalogue", "main"), "loans", [("l1", {"loan_number": "1", "book": {"title": "x"}})])
    yield made
    wiring.use(None)


@pytest.fixture
def call(tenants: Tenants, issuer: Issuer) -> Callable[..., Any]:
    def post(body: dict[str, Any], name: str = "capture") -> Any:
        token = {"Authorization": f"Bearer {issuer.mint(AUDIENCE, ACCOUNT)}"}
        return served(name).post("/", data=json.dumps(body), headers=token, content_type="application/json")

    return post


def asked(tenants: Tenants) -> list[str]:
    """The targets of the messages that ask for a run."""
    return [message["target"].partition(".")[2] for topic, message in tenants.publisher.messages if topic == topics.CAPTURE]


def deliver(tenants: Tenants, call: Callable[..., Any]) -> list[int]:
    """Push every message that asks for a run to its function."""
    messages = [message for topic, message in tenants.publisher.messages if topic == topics.CAPTURE]
    tenants.publisher.messages[:] = [sent for sent in tenants.publisher.messages if sent[0] != topics.CAPTURE]
    return [call(dict(message)).status_code for message in messages]


def lines(tenants: Tenants, run: str) -> dict[str, fan_out.Line]:
    return {line.target.partition(".")[2]: line for line in fan_out.lines_of(tenants.ports, tenants.pipeline, run)}


def test_every_target_that_may_run_gets_one_message_and_the_others_are_told_with_the_reason(
    tenants: Tenants, call: Callable[..., Any]
) -> None:
    for name in ("alpha", "beta"):
        tenants.declare(name)
    tenants.declare("gamma", stage="second")
    tenants.declare("delta", enabled=False)
    tenants.declare("epsilon")
    pausing.pause(tenants.contexts.target("library_loans.epsilon"), OPERATOR)
    tenants.break_("zeta", prefix=7)
    (told,) = call(LIBRARY).json["done"]
    assert asked(tenants) == ["alpha", "beta"]
    assert told["counts"] == {"asked": 2, "at rest": 0, "waits": 1, "disabled": 1, "paused": 1, "broken": 1}
    for words in (
        "gamma waits for its stage `second`",
        "delta is disabled",
        "epsilon is paused",
        "zeta: is not declared rightly",
    ):
        assert any(words in line for line in told["lines"]), words
    (run,) = fan_out.runs(tenants.ports, tenants.pipeline, 5)
    assert (run.id, run.by, run.counts, run.lines) == (told["run"], "schedule", told["counts"], tuple(told["lines"]))


def test_each_target_that_was_run_has_its_line(tenants: Tenants, call: Callable[..., Any]) -> None:
    for name in ("alpha", "beta"):
        tenants.declare(name)
    run = call(LIBRARY).json["done"][0]["run"]
    assert lines(tenants, run) == {}
    assert deliver(tenants, call) == [200, 200]
    found = lines(tenants, run)
    assert {name: line.outcome for name, line in found.items()} == {"alpha": "proposed", "beta": "proposed"}
    assert found["alpha"].batch.startswith("library_loans.alpha.")
    assert "changes were proposed" in found["alpha"].text
    documents = tenants.ports.stores.open("demo-tenants", "(default)").scan(Query(layout.BATCHES))
    assert {found["alpha"].batch, found["beta"].batch} == {document.id for document in documents}


def test_only_the_approvers_of_a_tenant_are_mailed(tenants: Tenants, call: Callable[..., Any]) -> None:
    tenants.declare("alpha", approvers=["ann@example.org"], approvals=1)
    tenants.declare("beta")
    call(LIBRARY)
    deliver(tenants, call)
    tenants.pump()
    mailed: dict[str, set[str]] = {}
    for mail in tenants.mailer.sent:
        mailed.setdefault("alpha" if "library_loans.alpha" in mail.text else "beta", set()).add(mail.to)
    assert mailed == {"alpha": {"ann@example.org"}, "beta": set(CENTRAL)}


def test_a_tenant_whose_database_is_away_is_one_line_and_the_others_are_done(
    tenants: Tenants, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants.declare("alpha", database="alpha", prefix="")
    tenants.declare("beta")
    opened = tenants.ports.stores.open("demo-tenants", "alpha")
    with monkeypatch.context() as patch:
        patch.setattr(opened, "get", away)
        run = call(LIBRARY).json["done"][0]["run"]
        assert asked(tenants) == ["alpha", "beta"]  # it says itself what stands against it
        assert deliver(tenants, call) == [503, 200]
        found = lines(tenants, run)
        assert (found["alpha"].outcome, found["beta"].outcome) == ("failed", "proposed")
        assert "the database is away" in found["alpha"].text
    tenants.publisher.publish(
        topics.CAPTURE, [{"target": "library_loans.alpha", "mode": "changes", "run": run}]
    )  # it comes again
    assert deliver(tenants, call) == [200]
    assert lines(tenants, run)["alpha"].outcome == "proposed"


def away(*_: object, **__: object) -> None:
    raise Unavailable("the database is away")


def test_a_message_that_comes_twice_does_not_hide_what_came_of_the_first(tenants: Tenants, call: Callable[..., Any]) -> None:
    tenants.declare("alpha")
    run = call(LIBRARY).json["done"][0]["run"]
    again = list(tenants.publisher.messages)
    deliver(tenants, call)
    first = lines(tenants, run)["alpha"]
    tenants.publisher.messages[:] = again
    assert deliver(tenants, call) == [200]
    assert lines(tenants, run)["alpha"] == first


def test_a_run_that_finds_nothing_names_the_batch_that_is_still_open(tenants: Tenants, call: Callable[..., Any]) -> None:
    tenants.declare("alpha")
    runs = []
    for _ in range(2):
        runs.append(call(LIBRARY).json["done"][0]["run"])
        deliver(tenants, call)
    first, second = (lines(tenants, run)["alpha"] for run in runs)
    assert (second.outcome, second.batch) == ("nothing", first.batch)
    assert second.text == f"There was nothing to propose; {first.batch} is still open."


def test_a_line_that_cannot_be_written_undoes_no_run(
    tenants: Tenants, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants.declare("alpha")
    call(LIBRARY)
    monkeypatch.setattr(fan_out, "note", away)
    assert deliver(tenants, call) == [200]
    assert load_target(tenants.contexts.target("library_loans.alpha")).state.open


def test_a_schedule_may_be_for_active_targets_alone_or_for_a_stage(tenants: Tenants, call: Callable[..., Any]) -> None:
    tenants.declare("alpha", active=True)
    tenants.declare("beta", stage="pilot")
    tenants.declare("gamma")
    registry.set_stages(tenants.ports, tenants.pipeline, ("pilot",), (), OPERATOR)
    call({**LIBRARY, "active": True})
    assert asked(tenants) == ["alpha"]
    call({**LIBRARY, "stage": "pilot"})
    assert asked(tenants) == ["alpha", "beta"]
    assert [message["mode"] for _, message in tenants.publisher.messages] == ["changes", "changes"]
    call({**LIBRARY, "force": True})
    assert [message["mode"] for _, message in tenants.publisher.messages[2:]] == ["full"] * 3


def test_a_run_for_nobody_says_whom_there_is(tenants: Tenants, call: Callable[..., Any]) -> None:
    tenants.declare("alpha", stage="pilot")
    tenants.declare("beta")
    tenants.break_("gamma", prefix=7)
    answer = call({**LIBRARY, "active": True})
    assert (answer.status_code, answer.json["done"]) == (200, None)
    assert "no target that is active" in answer.json["refused"]
    assert "2 targets, 0 of them active; stages: pilot (1); 1 more are declared wrongly" in answer.json["refused"]
    assert "of the stage `second`" in call({**LIBRARY, "stage": "second"}).json["refused"]
    assert asked(tenants) == []
    assert fan_out.runs(tenants.ports, tenants.pipeline, 5) == []


def test_a_target_that_is_closed_is_not_run_by_a_message_either_but_what_was_begun_goes_on(
    tenants: Tenants, call: Callable[..., Any]
) -> None:
    tenants.declare("alpha", stage="pilot")
    refused = call({"target": "library_loans.alpha"})
    assert (refused.status_code, refused.json["done"]) == (200, None)
    assert "waits for the stage `pilot`" in refused.json["refused"]
    assert call({"target": "library_loans.alpha", "mode": "recheck"}).json["done"]


def test_targets_that_are_run_or_promoted_already_are_left_alone(
    tenants: Tenants, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    tenants.declare("alpha")
    tenants.declare("beta")
    alpha = tenants.contexts.target("library_loans.alpha")
    call(LIBRARY)
    deliver(tenants, call)
    held = load_target(alpha)
    batch = held.state.open
    document = alpha.store.get([layout.batch(batch)])[0]
    alpha.store.commit([held.write(open="", applying=batch), Set(layout.batch(batch), {**document.fields, "status": "APPLYING"})])
    (told,) = call(LIBRARY).json["done"]
    assert asked(tenants) == ["beta"]
    assert told["counts"]["promoting"] == 1
    now = alpha.store.get([layout.batch(batch)])[0].fields
    alpha.store.commit([Set(layout.batch(batch), {**now, "status": "FAILED"})])
    call(LIBRARY)
    assert asked(tenants) == ["beta", "alpha", "beta"]  # whose run gives it up


def test_an_unexpected_body_is_not_taken_again(call: Callable[..., Any]) -> None:
    answer = call({**LIBRARY, "mode": "sideways"})
    assert (answer.status_code, answer.json["done"]) == (200, None)


def test_the_modes_of_a_message_are_those_of_a_run() -> None:
    assert set(workers.MODES) == set(MODES)


@pytest.fixture
def countries(monkeypatch: pytest.MonkeyPatch, tenants: Tenants) -> LandlordTenants:
    """Two countries, of which the second has a unit under one that there is not; served instead of the library."""
    made = LandlordTenants()
    wiring.use(made.contexts)
    made.publish([*country("XA"), unit("XB-1", 2, "nowhere", "XB")])
    made.declare("alpha", partitions=["XA"])
    return made


def test_a_message_for_one_target_reads_what_it_shares_first_and_one_of_a_run_takes_what_that_read(
    countries: LandlordTenants, call: Callable[..., Any]
) -> None:
    answer = call({"target": "tenant_geography.alpha", "run": "tenant_geography.20260101t000000-000000"})
    assert answer.status_code == 503  # nothing was read yet
    (done,) = call({"target": "tenant_geography.alpha"}).json["done"]
    assert done["batch"].startswith("tenant_geography.alpha.")


def test_a_quarantine_is_an_error_in_the_log_and_a_line_of_the_run(
    countries: LandlordTenants, call: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    countries.declare("beta", partitions=["XB"])
    (told,) = call({"pipeline": "tenant_geography"}).json["done"]
    assert asked(countries) == ["alpha"]
    assert "is quarantined" in told["lines"][0]
    logged = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert any("is quarantined" in entry["message"] and entry["severity"] == "ERROR" for entry in logged)
    call({"target": "tenant_geography.beta"})
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert any("is quarantined" in entry["message"] and entry["severity"] == "ERROR" for entry in again)
