"""The review of a tenant by program."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from calling import AUDIENCE, ROOT, Caller, state
from click.testing import CliRunner
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from penstock import wiring
from penstock.cli.main import cli
from penstock.core.errors import Unavailable
from penstock.core.records import Update
from penstock.entrypoints.api import serve
from penstock.entrypoints.api.routes import ROUTES
from penstock.local.identity import Issuer
from penstock.settings import Settings
from penstock.use_cases import effects, repeating
from penstock.wiring import Contexts
from support import tenancy
from support.tenancy import ELSEWHERE, MEMBERS, OPERATOR, SECOND, UNITS
from support.world import APPROVER, KEYS, World

GETS = ("staging-status", "pending", "history", "change/d1", "impact/d1")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> Iterator[World]:
    """A country was mirrored into one tenant, and two members belong there; then one was renamed, and one moved."""
    made = tenancy.tenancy()
    settings = Settings(projects={}, people={}, keys=KEYS, audience="", accounts=frozenset(), certs_url=issuer.certs_url)
    wiring.use(made.contexts)
    monkeypatch.setattr(wiring, "settings", lambda: settings)
    tenancy.feed(made, *tenancy.country())
    made.run()
    made.approve("approve")
    paths = {unit["landlordId"]: unit["path"] for unit in made.documents(UNITS).values()}
    made.put(made.production, MEMBERS, [tenancy.member("m1", paths["w1"]), tenancy.member("m2", paths["d1"])])
    tenancy.feed(made, tenancy.of_landlord("p1", day=2, names={"en": "Koshi"}))
    tenancy.feed(made, tenancy.of_landlord("d1", "p2", 2, day=2))
    tenancy.feed(made, tenancy.of_landlord("d3", "p2", 2, day=2))
    made.run()
    yield made
    wiring.use(None)


@pytest.fixture
def caller(world: World, issuer: Issuer) -> Caller:
    return Caller(world, issuer)


def units(world: World) -> dict[str, Any]:
    return {unit["landlordId"]: unit for unit in world.documents(UNITS).values()}


# looking --------------------------------------------------------------------------------------------------------------------


def test_what_waits_is_shown_by_level_and_then_by_id_with_its_digest(caller: Caller, world: World) -> None:
    shown = caller.get("pending").json
    assert [(c["externalId"], c["level"], c["action"], c["step"]) for c in shown["changes"]] == [
        ("p1", 1, "UPDATE", "update"),
        ("d1", 2, "UPDATE", "move"),
        ("d3", 2, "CREATE", "create"),
    ]
    assert shown["digest"] == world.batch(shown["batch"]["batch"]).digest
    assert (shown["page"], shown["pages"], shown["batch"]["status"]) == (1, 1, "UNDER_REVIEW")
    assert shown["changes"][0]["fields"] == [{"field": "names", "before": {"en": "Unit p1"}, "after": {"en": "Koshi"}}]


def test_a_unit_is_shown_as_proposed_as_it_stands_and_with_what_it_touches(caller: Caller, world: World) -> None:
    shown = caller.get("change/d1").json
    was, home = units(world)["d1"], next(id for id, u in world.documents(UNITS).items() if u["landlordId"] == "d1")
    assert (shown["staging"]["step"], shown["staging"]["id"], shown["production"]["id"]) == ("move", home, home)
    assert shown["production"]["fields"]["path"] == was["path"]
    assert shown["impact"]["now"] == {"members": 2, "units": 1, "own units": 0, "children": 1}
    assert shown["impact"]["shown"] == shown["staging"]["impact"] == shown["impact"]["now"]
    new = caller.get("change/d3").json
    assert (new["production"], new["impact"], new["staging"]["action"]) == (None, None, "CREATE")
    same = caller.get("change/p2").json
    assert (same["staging"], same["production"]["fields"]["level"]) == (None, 1)


def test_impact_is_counted_anew(caller: Caller, world: World) -> None:
    path = units(world)["w1"]["path"]
    world.put(world.production, MEMBERS, [tenancy.member("m3", path)])
    found = caller.get("impact/d1").json
    assert (found["shown"]["members"], found["now"]["members"]) == (2, 3)


def test_fields_of_the_tenants_own_are_not_shown(caller: Caller, world: World) -> None:
    id = next(id for id, u in world.documents(UNITS).items() if u["landlordId"] == "d1")
    world.production.commit([Update(f"{UNITS}/{id}", {"budget": "a secret"}, (("budget",),))])
    for path in (*GETS, "batch/" + caller.get("pending").json["batch"]["batch"]):
        answer = caller.get(path)
        assert answer.status_code == 200
        assert "a secret" not in answer.text


def test_looking_changes_nothing(caller: Caller, world: World) -> None:
    before, mails, messages = state(world), len(world.mailer.sent), len(world.publisher.messages)
    first = caller.get("history").json["batches"][-1]["batch"]
    for path in (*GETS, f"batch/{first}", f"rollback-preview/{first}"):
        assert caller.get(path).status_code == 200
        assert caller.call("HEAD", path).status_code == 200
    assert (state(world), len(world.mailer.sent), len(world.publisher.messages)) == (before, mails, messages)


def test_history_is_newest_first_and_a_batch_is_shown_whole(caller: Caller) -> None:
    found = caller.get("history").json["batches"]
    assert [b["status"] for b in found] == ["UNDER_REVIEW", "APPLIED"]
    assert len(caller.get("history?limit=1").json["batches"]) == 1
    shown = caller.get(f"batch/{found[1]['batch']}").json
    assert shown["line"] == found[1]
    assert [d["by"] for d in shown["decisions"]] == [APPROVER]
    assert len(shown["changes"]) == 14
    assert {c["status"] for c in shown["changes"]} == {"APPLIED"}


def test_where_nothing_waits_there_is_nothing_pending(caller: Caller) -> None:
    caller.post("reject", caller.decision(reason="not now"))
    shown = caller.get("pending").json
    assert (shown["batch"], shown["changes"], shown["pages"]) == (None, [], 0)


# deciding -------------------------------------------------------------------------------------------------------------------


def test_an_approval_is_promoted_and_told(caller: Caller, world: World) -> None:
    answer = caller.post("approve", caller.decision(reason="as announced"))
    assert answer.status_code == 200, answer.text
    world.pump()
    now = world.batch(answer.json["batch"])
    assert (now.status, now.approved, now.decisions[0].by, now.decisions[0].note) == ("APPLIED", 3, APPROVER, "as announced")
    assert units(world)["p1"]["names"] == {"en": "Koshi"}


def test_some_are_approved_and_all_others_kept(caller: Caller, world: World) -> None:
    answer = caller.post("approve", caller.decision(ids=["p1"], others="reject"))
    assert (answer.status_code, answer.json["approved"], answer.json["rejected"]) == (200, 1, 2)
    world.pump()
    assert units(world)["p1"]["names"] == {"en": "Koshi"}
    assert "d3" not in units(world)


def test_some_are_rejected_and_all_others_approved(caller: Caller, world: World) -> None:
    answer = caller.post("reject", caller.decision(ids=["p1"], others="approve", reason="the old name stays"))
    assert (answer.status_code, answer.json["approved"], answer.json["rejected"]) == (200, 2, 1)
    world.pump()
    assert units(world)["p1"]["names"] == {"en": "Unit p1"}
    assert "d3" in units(world)


def test_everything_is_rejected_with_a_reason(caller: Caller, world: World) -> None:
    body = caller.decision()
    assert caller.post("reject", body).status_code == 422
    answer = caller.post("reject", {**body, "reason": "a mistake of the landlord"})
    assert (answer.json["status"], answer.json["rejected"]) == ("REJECTED", 3)


def test_what_the_client_saw_must_be_what_stands(caller: Caller, world: World) -> None:
    body = caller.decision()
    before = state(world)
    answer = caller.post("approve", {**body, "digest": "0" * 64})
    assert answer.status_code == 412
    assert answer.json["remedy"] == "Nothing was decided. Look at `pending` again."
    assert state(world) == before
    assert caller.post("approve", body).status_code == 200


def test_the_first_decision_stands_and_the_second_is_told(caller: Caller) -> None:
    body = caller.decision()
    assert caller.post("approve", body).status_code == 200
    answer = caller.as_(SECOND).post("reject", {**body, "reason": "no"})
    assert answer.status_code == 409
    assert APPROVER in answer.json["detail"]


def test_two_must_agree_where_two_are_asked_for(world: World, caller: Caller) -> None:
    tenancy.feed(world, tenancy.of_landlord("p2", day=3, names={"en": "Madhesh"}))
    ctx = world.ctx
    pipeline = replace(ctx.pipeline, gate=replace(ctx.pipeline.gate, approvals=2))
    wiring.use(Contexts(world.ports, {pipeline.name: pipeline}))
    object.__setattr__(ctx, "pipeline", pipeline)
    world.run()
    answer = caller.post("approve", caller.decision())
    assert (answer.json["status"], answer.json["missing"]) == ("UNDER_REVIEW", 1)
    assert caller.as_(SECOND).post("approve", caller.decision()).json["missing"] == 0


def test_nobody_approves_what_they_asked_for(caller: Caller, world: World) -> None:
    tenancy.feed(world, tenancy.of_landlord("p2", day=3, names={"en": "Madhesh"}))
    answer = caller.post("staging", {"mode": "changes"})
    assert answer.status_code == 202
    assert answer.json["look"] == f"{AUDIENCE}{ROOT}/staging-status"
    world.pump()
    body = caller.decision()
    answer = caller.post("approve", body)
    assert (answer.status_code, "nobody approves what they started" in answer.json["detail"]) == (409, True)
    assert caller.as_(SECOND).post("approve", body).status_code == 200


def test_an_operator_does_all_but_decide(caller: Caller, world: World) -> None:
    operator = caller.as_(OPERATOR)
    body = operator.decision()
    assert operator.post("approve", body).status_code == 403
    assert operator.post("reject", {**body, "reason": "no"}).status_code == 403
    assert operator.post("staging").status_code == 202
    assert operator.get("history").status_code == 200


def test_an_unknown_id_among_the_named_decides_nothing(caller: Caller, world: World) -> None:
    before = state(world)
    answer = caller.post("approve", caller.decision(ids=["p1", "nobody"], others="reject"))
    assert answer.status_code == 422
    assert "units/nobody" in answer.json["detail"]
    assert state(world) == before


# applying, going back -------------------------------------------------------------------------------------------------------


def test_only_an_approved_batch_is_applied(caller: Caller, world: World) -> None:
    open_, applied = (b["batch"] for b in caller.get("history").json["batches"])
    answer = caller.post(f"apply-batch/{open_}")
    assert answer.status_code == 422
    assert answer.json["detail"] == "Batch must be APPROVED before application"
    answer = caller.post(f"apply-batch/{applied}")
    assert (answer.status_code, answer.json["already"], answer.json["status"]) == (200, True, "APPLIED")


def test_an_approved_batch_is_gone_on_with(caller: Caller, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    batch = caller.post("approve", caller.decision()).json
    assert batch["status"] == "APPLYING"
    world.delivered = len(world.publisher.messages)  # the messages were lost
    answer = caller.post(f"apply-batch/{batch['batch']}")
    assert (answer.json["already"], answer.json["packsLeft"] > 0) == (False, True)
    world.pump()
    assert caller.get(f"batch/{batch['batch']}").json["line"]["status"] == "APPLIED"


def test_a_batch_is_taken_back_by_another_batch(caller: Caller, world: World) -> None:
    before = {id: {k: v for k, v in unit.items() if k != "penstock"} for id, unit in units(world).items()}
    batch = caller.post("approve", caller.decision()).json["batch"]
    world.pump()
    shown = caller.get(f"rollback-preview/{batch}").json
    assert {r["externalId"]: r["action"] for r in shown["records"]} == {"p1": "UPDATE", "d1": "UPDATE", "d3": "DELETE"}
    assert (shown["edited"], shown["pages"]) == (0, 1)
    names = next(r for r in shown["records"] if r["externalId"] == "p1")["fields"]
    assert [(f["now"], f["before"]) for f in names if f["field"] == "names.en"] in ([("Koshi", "Unit p1")], [])
    moved = next(r for r in shown["records"] if r["externalId"] == "d1")
    assert moved["impact"]["members"] == 2
    proposed = caller.post(f"rollback/{batch}")
    assert (proposed.status_code, proposed.json["rollsBack"], proposed.json["changes"]) == (201, batch, 3)
    world.pump()
    body = caller.decision()
    assert body["batch"] == proposed.json["batch"]
    assert caller.post("approve", body).status_code == 409  # who proposed it cannot approve it
    second = caller.as_(SECOND)
    words = {rule: "approve" for rule, by in second.get(f"batch/{body['batch']}").json["findings"].items() if "blocker" in by}
    answer = second.post("approve", {**body, "rules": words})
    assert answer.status_code == 200, answer.text
    world.pump()
    now = {id: {k: v for k, v in unit.items() if k != "penstock"} for id, unit in units(world).items()}
    assert {id: (u["path"], before[id]["path"]) for id, u in now.items() if u != before.get(id)} == {}


def test_what_was_not_applied_is_not_taken_back(caller: Caller) -> None:
    batch = caller.get("pending").json["batch"]["batch"]
    assert caller.get(f"rollback-preview/{batch}").status_code == 409
    assert caller.post(f"rollback/{batch}").status_code == 409


# who ------------------------------------------------------------------------------------------------------------------------


def test_who_does_not_sign_in_learns_nothing(caller: Caller) -> None:
    nobody = caller.as_("")
    for path in GETS:
        answer = nobody.get(path)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert nobody.post("approve", {}).status_code == 401


def test_a_stranger_does_not_learn_which_tenants_there_are(caller: Caller) -> None:
    def told(who: str, tenant: str, api: str = "geography-sync") -> tuple[int, str]:
        answer = caller.as_(who).get("pending", root=f"/tenants/{tenant}/{api}")
        return answer.status_code, answer.text.replace(tenant, "…").replace(api, "…")

    first = told("stranger@example.org", "nepal")
    assert first[0] == 403
    for tenant in ("bhutan", "nowhere", "NEPAL", "..", "x" * 500, "tenant_geography.nepal"):
        assert told("stranger@example.org", tenant) == first
    assert told(ELSEWHERE, "nepal") == first
    assert told(APPROVER, "bhutan") == told(APPROVER, "nowhere") == first
    assert told(APPROVER, "nepal", "other") == first


def test_a_batch_of_another_tenant_in_the_same_database_is_as_one_that_never_was(caller: Caller) -> None:
    of_nepal = caller.get("pending").json["batch"]["batch"]
    bhutan = "/tenants/bhutan/geography-sync"
    for path in (f"batch/{of_nepal}", f"rollback-preview/{of_nepal}"):
        assert caller.as_(ELSEWHERE).get(path, root=bhutan).status_code == 404
    assert caller.as_(ELSEWHERE).post(f"apply-batch/{of_nepal}", {}, root=bhutan).status_code == 404


def test_a_batch_of_another_tenant_is_none(caller: Caller, world: World) -> None:
    batch = caller.get("pending").json["batch"]["batch"].replace("nepal", "bhutan")
    for path in (f"batch/{batch}", f"rollback-preview/{batch}", "batch/nonsense", f"batch/{batch[:-1]}"):
        assert caller.get(path).status_code == 404
    assert caller.post(f"apply-batch/{batch}").status_code == 404
    assert caller.post("approve", {"batch": batch, "digest": "x"}).status_code == 404


def test_an_address_is_known_in_any_case_and_by_no_other_likeness(caller: Caller) -> None:
    assert caller.as_("Thandi@Example.org").get("pending").status_code == 200
    for other in ("thandi+x@example.org", "thandi@example.org.evil.example", "than.di@example.org", "thandi"):
        assert caller.as_(other).get("pending").status_code == 403


# what they send -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"batch": "b", "digest": "d", "verdict": "approve"}, "verdict"),
        ({"batch": "b"}, "digest"),
        ({"batch": 7, "digest": "d"}, "batch"),
        ({"batch": "b", "digest": "d", "ids": []}, "ids"),
        ({"batch": "b", "digest": "d", "ids": ["p1", 7]}, "ids.1"),
        ({"batch": "b", "digest": "d", "ids": ["p1"]}, ""),
        ({"batch": "b", "digest": "d", "others": "reject"}, ""),
        ({"batch": "b", "digest": "d", "rules": {"moved": "perhaps"}}, "rules.moved"),
        ({"batch": "b", "digest": "d", "reason": "x" * 2_001}, "reason"),
        ([], ""),
    ],
)
def test_a_body_that_is_not_as_described_is_refused_with_its_place(caller: Caller, body: Any, place: str) -> None:
    answer = caller.post("approve", body)
    assert answer.status_code == 422
    assert [e["place"] for e in answer.json["errors"]] == [place]
    # The document refuses it too, but for what two fields say together.
    assert described(caller, "ApproveRequest").is_valid(body) is (place == "" and isinstance(body, dict))


@pytest.mark.parametrize(
    ("model", "body"),
    [
        ("ApproveRequest", {"batch": "b", "digest": "d"}),
        ("ApproveRequest", {"batch": "b", "digest": "d", "ids": ["p1"], "others": "reject", "choices": {"p1": "cascade"}}),
        ("RejectRequest", {"batch": "b", "digest": "d", "reason": "no"}),
        ("RollbackRequest", {"ids": ["p1"], "fields": ["names"], "overwriteEdits": True}),
        ("RunRequest", {"mode": "full"}),
        ("ApplyRequest", {}),
    ],
)
def test_a_body_as_the_document_describes_it_is_taken(caller: Caller, model: str, body: Any) -> None:
    assert described(caller, model).is_valid(body)
    (route, *_) = [route for route in ROUTES if route.body is not None and route.body.__name__ == model]
    assert route.body is not None
    route.body.model_validate(body)


def described(caller: Caller, model: str) -> Draft202012Validator:
    return Draft202012Validator({"$ref": f"#/components/schemas/{model}", "components": caller.document["components"]})


@pytest.mark.parametrize(
    "raw",
    [
        b" ", b"{", b"[" * 100_000, b'{"batch": NaN}', b"\xff", b'{"batch": "b", "batch": "b", "digest": "d"}',
        b'{"batch": "\\ud800", "digest": "d"}', b'{"batch": "b", "digest": "d", "reason": "\\ud800"}',
    ],
)  # fmt: skip
def test_what_is_no_json_is_refused(caller: Caller, world: World, raw: bytes) -> None:
    before = state(world)
    answer = caller.call("POST", "approve", data=raw, content_type="application/json")
    assert answer.status_code == 422, answer.text
    assert state(world) == before


def test_a_body_has_a_length_a_kind_and_a_bound(caller: Caller) -> None:
    large = b'{"batch": "' + b"x" * (256 * 1024) + b'"}'
    assert caller.call("POST", "approve", data=large, content_type="application/json").status_code == 413
    assert caller.call("POST", "approve", data=b"batch=b", content_type="application/x-www-form-urlencoded").status_code == 415
    assert caller.post("approve", headers={"Transfer-Encoding": "chunked"}).status_code == 411


@pytest.mark.parametrize("query", ["page=0", "page=x", "page=1&page=2", "page=99999999", "size=5", "page=", "page=-1", "page=１"])
def test_a_query_that_is_not_as_described_is_refused(caller: Caller, query: str) -> None:
    assert caller.get(f"pending?{query}").status_code == 422


@pytest.mark.parametrize(
    "id",
    [
        "nobody",
        "p1%232",
        "units/p1",
        "..",
        "a%2Fb",
        "%00",
        "%20",
        "x" * 301,
        "p1%0a",
        "%F0%9F%92%A9",
        "d1/x",
        "x" * 1_600,
        "__id__",
    ],
)
def test_an_id_leads_to_its_unit_or_nowhere(caller: Caller, id: str) -> None:
    for view in ("change", "impact"):
        answer = caller.client.get(
            f"{ROOT}/{view}/{id}", headers={"Authorization": f"Bearer {caller.issuer.mint(AUDIENCE, APPROVER)}"}
        )
        assert answer.status_code == 404, answer.text
        assert answer.content_type == "application/problem+json"


def test_another_method_is_told_which_there_are(caller: Caller) -> None:
    answer = caller.call("DELETE", "pending")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")
    assert caller.call("GET", "approve").status_code == 405
    assert caller.client.post("/openapi.json").status_code == 405
    assert caller.get("nothing/here").status_code == 404


def test_what_nobody_foresaw_is_a_problem_that_tells_nothing(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise ZeroDivisionError("a secret")

    monkeypatch.setattr(serve, "_query", fails)
    answer = caller.client.get(f"{ROOT}/pending", headers={"Authorization": f"Bearer {caller.issuer.mint(AUDIENCE, APPROVER)}"})
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert "a secret" not in answer.text


# once and again -------------------------------------------------------------------------------------------------------------


def test_the_same_key_and_body_get_the_same_answer(caller: Caller, world: World) -> None:
    body, key = caller.decision(), {"Idempotency-Key": "0b9c"}
    first = caller.post("approve", body, headers=key)
    before = state(world)
    again = caller.post("approve", body, headers=key)
    assert (again.status_code, again.text) == (first.status_code, first.text) == (200, first.text)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    assert state(world) == before
    assert caller.post("approve", body).status_code == 409  # without the key it is another request


def test_a_refusal_is_answered_again_too(caller: Caller) -> None:
    body, key = caller.decision(digest="0"), {"Idempotency-Key": "k"}
    first, again = (caller.post("approve", body, headers=key) for _ in range(2))
    assert (first.status_code, again.status_code, again.text) == (412, 412, first.text)
    assert again.content_type == "application/problem+json"


def test_a_key_is_of_one_request_and_of_one_person(caller: Caller) -> None:
    key = {"Idempotency-Key": "k"}
    assert caller.post("staging", headers=key).status_code == 202
    answer = caller.post("staging", {"mode": "full"}, headers=key)
    assert (answer.status_code, "another request" in answer.json["detail"]) == (422, True)
    assert caller.as_(SECOND).post("staging", {"mode": "full"}, headers=key).status_code == 202


@pytest.mark.parametrize("key", ["", "x" * 201, "ü", "a\tb"])
def test_a_key_is_visible_and_short(caller: Caller, key: str) -> None:
    assert caller.post("staging", headers={"Idempotency-Key": key}).status_code == 422


def test_a_rollback_that_is_sent_twice_is_proposed_once(caller: Caller, world: World) -> None:
    batch = caller.get("history").json["batches"][-1]["batch"]
    key = {"Idempotency-Key": "k"}
    first, again = (caller.post(f"rollback/{batch}", headers=key) for _ in range(2))
    assert first.status_code == 201, first.text
    assert first.text == again.text
    assert sum(b["kind"] == "rollback" for b in caller.get("history").json["batches"]) == 1


def test_who_comes_while_the_first_is_answered_is_told_to_wait(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    key, told = {"Idempotency-Key": "k"}, []
    done = serve._done

    def slow(*given: Any) -> Any:
        if not told:
            told.append(0)
            told.append(caller.post("staging", headers=key).status_code)
        return done(*given)

    monkeypatch.setattr(serve, "_done", slow)
    assert caller.post("staging", headers=key).status_code == 202
    assert told == [0, 409]


def test_a_failure_of_ours_is_not_kept_and_may_be_tried_again(
    caller: Caller, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any) -> None:
        raise Unavailable("is not there", subject="Pub/Sub", remedy="Try again.")

    key = {"Idempotency-Key": "k"}
    with monkeypatch.context() as patch:
        patch.setattr(world.publisher, "publish", down)
        answer = caller.post("staging", headers=key)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "30")
    assert caller.post("staging", headers=key).status_code == 202


def test_a_claim_whose_process_died_is_taken_over(caller: Caller, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        pass

    def dies(*_: Any) -> Any:
        raise Killed

    key = {"Idempotency-Key": "k"}
    with monkeypatch.context() as patch:
        patch.setattr(serve, "_done", dies)
        patch.setattr(repeating, "Delete", lambda path: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            caller.post("staging", headers=key)
    assert caller.post("staging", headers=key).status_code == 409
    world.clock.forward(world.ports.stale_seconds + 1)
    assert caller.post("staging", headers=key).status_code == 202


def test_a_key_is_forgotten_after_a_day(caller: Caller, world: World) -> None:
    key = {"Idempotency-Key": "k"}
    assert caller.post("staging", headers=key).status_code == 202
    world.clock.forward(repeating.KEPT_SECONDS + 1)
    assert caller.post("staging", {"mode": "full"}, headers=key).status_code == 202


# the document ---------------------------------------------------------------------------------------------------------------


def test_the_document_is_openapi_and_is_the_one_that_is_served_and_printed(caller: Caller) -> None:
    found = caller.client.get("/openapi.json")
    assert found.status_code == 200
    validate(found.json)
    assert found.json == {**caller.document, "servers": [{"url": AUDIENCE}]}
    printed = CliRunner().invoke(cli, ["api", "openapi", "--server", AUDIENCE])
    assert json.loads(printed.output) == found.json


def test_every_status_that_the_document_names_is_given_and_every_one_given_is_named(
    caller: Caller, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`Caller` holds each answer to the document; here every answer that it names is provoked."""
    history = caller.get("history").json["batches"]
    open_, applied = history[0]["batch"], history[1]["batch"]
    gone = applied.replace("nepal", "bhutan")
    paths = {r.path: r.path.replace("{externalId}", "d1").replace("{batch}", applied) for r in ROUTES}
    for route in ROUTES:
        path = paths[route.path]
        call = caller.get if route.method == "GET" else caller.post
        for who in ("", "stranger@example.org"):
            (caller.as_(who).get if route.method == "GET" else caller.as_(who).post)(path)
        with monkeypatch.context() as patch:
            patch.setattr(serve, "_admitted", lambda *_: (_ for _ in ()).throw(Unavailable("is down")))
            call(path)
        if route.method == "GET":
            caller.get(f"{path}?other=1")
            continue
        caller.post(path, {"other": 1})
        caller.call("POST", path, data=b"{}", content_type="text/plain")
        caller.call("POST", path, data=b"x" * (serve.MAX_BODY + 1), content_type="application/json")
        caller.post(path, headers={"Transfer-Encoding": "chunked"})
    for path in ("change/nobody", "impact/nobody", f"batch/{gone}", f"rollback-preview/{gone}", f"rollback-preview/{open_}"):
        caller.get(path)
    for path in (f"apply-batch/{gone}", f"rollback/{gone}", f"apply-batch/{applied}"):
        caller.post(path)
    for word, more in (("approve", {}), ("reject", {"reason": "no"})):
        caller.post(word, caller.decision(batch=gone, **more))
        caller.post(word, caller.decision(digest="0", **more))
        _while_it_is_answered(caller, monkeypatch, word, caller.decision(**more))
    for path in ("staging", f"apply-batch/{applied}", f"rollback/{applied}"):
        _while_it_is_answered(caller, monkeypatch, path, {})
    caller.post("staging")
    for path in (*GETS, f"batch/{applied}", f"rollback-preview/{applied}"):
        caller.get(path)
    caller.post("reject", caller.decision(reason="no"))
    tenancy.feed(world, tenancy.of_landlord("p2", day=4, names={"en": "Bagmati"}))
    world.run()
    caller.post("approve", caller.decision())
    caller.post(f"rollback/{applied}")
    named = {(route.name, status) for route in ROUTES for status in route.statuses}
    assert named - caller.seen == set()


def _while_it_is_answered(caller: Caller, monkeypatch: pytest.MonkeyPatch, path: str, body: Any) -> None:
    """The same request once more, before the first has its answer; that one is then not done at all."""
    key = {"Idempotency-Key": path}

    def first(*_: Any) -> Any:
        assert caller.post(path, body, headers=key).status_code == 409
        raise Unavailable("is down")

    with monkeypatch.context() as patch:
        patch.setattr(serve, "_done", first)
        assert caller.post(path, body, headers=key).status_code == 503
