"""The private functions: who may call them, and what becomes of messages that nobody should have sent."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from google.auth import jwt
from penstock import wiring
from penstock.core import layout
from penstock.core.batch import Status
from penstock.core.errors import Unavailable
from penstock.entrypoints import workers
from penstock.local.identity import ISSUER, Issuer
from penstock.pipelines.schema import load
from penstock.use_cases import check as checking
from penstock.use_cases import effects
from penstock.use_cases.context import Context
from penstock.use_cases.promote import promote_pack
from penstock.web.headers import SECURITY_HEADERS
from serving import ACCOUNT, AUDIENCE, served
from support.landlord import GEOGRAPHY, UNITS, country, unit
from support.tenants import Tenants
from support.world import World

NAMES = ("capture", "check", "promote", "dead_letter", "sweep")


@pytest.fixture
def call(issuer: Issuer, world: World) -> Callable[..., Any]:
    """A POST as Pub/Sub or the scheduler sends it, with a token that passes unless another is given."""

    def post(name: str, body: Any, **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {issuer.mint(AUDIENCE, ACCOUNT)}", **headers}
        return served(name).post("/", data=content, headers=given, content_type="application/json")

    return post


def push(data: Any, **more: Any) -> dict[str, Any]:
    text = data if isinstance(data, str) else base64.b64encode(json.dumps(data).encode()).decode()
    return {"message": {"data": text, "messageId": "1", **more}, "subscription": "projects/p/subscriptions/s"}


def writes(world: World) -> tuple[int, int]:
    return world.production.bill.writes, world.source.bill.writes


def signed(issuer: Issuer, **claims: Any) -> str:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": AUDIENCE, "email": ACCOUNT, "email_verified": True, "iat": now, "exp": now + 3600}
    return jwt.encode(issuer._signer, usual | claims).decode()


def hs256(issuer: Issuer) -> str:
    """Signed with the public certificate as if it were a shared secret."""
    import urllib.request

    with urllib.request.urlopen(issuer.certs_url) as answer:
        ((key_id, certificate),) = json.load(answer).items()
    claims = json.loads(base64.urlsafe_b64decode(signed(issuer).split(".")[1] + "=="))
    parts = [_b64({"alg": "HS256", "typ": "JWT", "kid": key_id}), _b64(claims)]
    mac = hmac.new(certificate.encode(), ".".join(parts).encode(), hashlib.sha256).digest()
    return ".".join([*parts, base64.urlsafe_b64encode(mac).decode().rstrip("=")])


def _b64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def unsigned(issuer: Issuer) -> str:
    claims = signed(issuer).split(".")[1]
    return f"{_b64({'alg': 'none', 'typ': 'JWT'})}.{claims}."


BAD_TOKENS: dict[str, Callable[[Issuer], str]] = {
    "empty": lambda _: "",
    "no JWT": lambda _: "abc",
    "huge": lambda _: "a" * 100_000,
    "audience": lambda issuer: signed(issuer, aud="https://review.example.org"),
    "account": lambda issuer: signed(issuer, email="someone@example.iam.gserviceaccount.com"),
    "unverified": lambda issuer: signed(issuer, email_verified=False),
    "issuer": lambda issuer: signed(issuer, iss="https://accounts.example.org"),
    "expired": lambda issuer: signed(issuer, iat=int(time.time()) - 7200, exp=int(time.time()) - 3600),
    "of the future": lambda issuer: signed(issuer, iat=int(time.time()) + 600, exp=int(time.time()) + 4200),
    "HS256": hs256,
    "none": unsigned,
    "cut": lambda issuer: signed(issuer)[:-4],
}


@pytest.mark.parametrize("name", NAMES)
def test_nobody_calls_without_a_token(world: World, name: str) -> None:
    before = writes(world)
    answer = served(name).post("/", json={"pipeline": "fibre_network"})
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert {header: answer.headers.get(header) for header in SECURITY_HEADERS} == SECURITY_HEADERS
    assert writes(world) == before


@pytest.mark.parametrize("kind", BAD_TOKENS)
def test_a_token_that_is_not_right_in_everything_is_refused(
    world: World, call: Callable[..., Any], issuer: Issuer, kind: str
) -> None:
    before = writes(world)
    answer = call("capture", {"pipeline": "fibre_network"}, Authorization=f"Bearer {BAD_TOKENS[kind](issuer)}")
    assert answer.status_code == 401
    assert writes(world) == before


def test_headers_that_anybody_can_write_open_nothing(world: World) -> None:
    forged = {
        "X-CloudScheduler": "true",
        "X-CloudScheduler-JobName": "fibre_network",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-User": ACCOUNT,
        "X-Goog-Authenticated-User-Email": f"accounts.google.com:{ACCOUNT}",
        "X-Serverless-Authorization": "Bearer x",
    }
    assert served("capture").post("/", json={"pipeline": "fibre_network"}, headers=forged).status_code == 401


def test_a_token_that_passes_lets_the_scheduler_run(world: World, call: Callable[..., Any]) -> None:
    answer = call("capture", {"pipeline": "fibre_network"})
    assert answer.status_code == 200
    ((result),) = answer.json["done"]
    assert world.batch(result["batch"]).total == 12


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_a_post_is_work(world: World, issuer: Issuer, method: str) -> None:
    before = writes(world)
    token = {"Authorization": f"Bearer {issuer.mint(AUDIENCE, ACCOUNT)}"}
    assert served("sweep").open("/", method=method, headers=token).status_code == 405
    assert writes(world) == before


HOPELESS: dict[str, Any] = {
    "empty": b"",
    "no JSON": b"{",
    "not UTF-8": b"\xff\xfe{}",
    "a list": b"[]",
    "a number": b"7",
    "deep": b"[" * 500_000,
    "10 MB": b'{"message": {"data": "' + b"A" * 10_000_000 + b'"}}',
    "broken base64": push("%%%"),
    "data of a number": push(7) | {"message": {"data": 7}},
    "base64 of no JSON": push(base64.b64encode(b"nothing").decode()),
    "base64 of a list": push([1]),
    "no batch": push({"pack": "0"}),
    "no pack": push({"batch": "fibre_network.fibreflow.20260101t000000-000000"}),
    "a pack beyond all numbers": {"batch": "fibre_network.fibreflow.20260101t000000-000000", "pack": float("inf")},
    "a batch that never was": push({"batch": "fibre_network.fibreflow.20260101t000000-000000", "pack": "0"}),
    "a path as a batch": push({"batch": "../../x", "pack": "0"}),
    "another database's batch": push({"batch": "other.target.20260101t000000-000000", "pack": "0"}),
    "a negative pack": push({"batch": "fibre_network.fibreflow.20260101t000000-000000", "pack": "-1"}),
}


@pytest.mark.parametrize("name", ["check", "promote", "dead_letter"])
@pytest.mark.parametrize("kind", HOPELESS)
def test_a_message_that_no_try_can_use_is_acknowledged_and_changes_nothing(
    world: World, call: Callable[..., Any], name: str, kind: str
) -> None:
    world.run()
    before = writes(world)
    answer = call(name, HOPELESS[kind])
    assert answer.status_code == 200
    assert answer.json["done"] is None or name == "dead_letter"
    assert writes(world) == before


def test_an_unknown_mode_or_pipeline_starts_nothing(world: World, call: Callable[..., Any]) -> None:
    before = writes(world)
    for body in ({"pipeline": "x"}, {"target": "x"}, {}, {"pipeline": "fibre_network", "mode": "harder"}):
        assert call("capture", body).json["done"] is None
    assert writes(world) == before


def test_what_may_go_through_later_comes_again(world: World, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    batch = world.run().batch

    def refused(*_: Any) -> None:
        raise Unavailable("the database is away", subject="test")

    monkeypatch.setattr(workers, "promote_asked", refused)
    answer = call("promote", push({"batch": batch, "pack": "0"}))
    assert answer.status_code == 503


def test_a_worker_that_is_not_set_up_keeps_its_messages(
    world: World, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = world.run().batch
    monkeypatch.setattr(wiring, "contexts", lambda _: wiring.Contexts(wiring.ports(wiring.settings()), {}))
    assert call("check", push({"batch": batch, "pack": "0"})).status_code == 422


def test_what_nobody_foresaw_comes_again_without_a_word_about_the_inside(
    world: World, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("7 Canary Street")

    monkeypatch.setattr(workers, "promote_asked", broken)
    answer = call("promote", push({"batch": world.run().batch, "pack": "0"}))
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert "ZeroDivision" not in answer.text
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"ERROR"' in line]
    assert line["reference"] in answer.text
    assert "Canary" not in json.dumps(line)


def test_a_failure_after_a_pack_was_promoted_leaves_it_as_it_was_written(
    world: World, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its update time tells what was promoted from what was edited later."""
    monkeypatch.setattr(effects, "INLINE", 0)
    batch = world.run().batch
    token, code = world.link()
    visitor = served("review")
    nonce = visitor.get(f"/{world.ctx.id}/{token}").text.partition('name="nonce" value="')[2].partition('"')[0]
    visitor.post(f"/{world.ctx.id}/{token}", data={"nonce": nonce, "verdict": "approve", "code": code})
    assert promote_pack(world.ctx, world.batch(batch), 0) is not None
    path = layout.pack(batch, 0)
    (before,) = world.production.get([path])

    def refused(*_: Any) -> None:
        raise Unavailable("the database is away", subject="test")

    monkeypatch.setattr(workers, "finish_after", refused)
    assert call("promote", push({"batch": batch, "pack": "0"})).status_code == 503
    assert world.production.get([path])[0].update_time == before.update_time


def test_a_poison_pack_stops_its_batch_with_its_cause(
    world: World, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(*_: Any) -> None:
        raise Unavailable("the moon is full", subject="pack 0")

    monkeypatch.setattr(checking, "_judge", poisoned)
    batch = call("capture", {"pipeline": "fibre_network"}).json["done"][0]["batch"]
    message = push({"batch": batch, "pack": "0"})
    assert [call("check", message).status_code for _ in range(5)] == [503] * 5
    assert call("dead_letter", message).status_code == 200
    stopped = world.batch(batch)
    assert stopped.status is Status.FAILED
    assert "the moon is full" in stopped.error


def test_a_message_that_comes_twice_or_late_changes_nothing_more(world: World, call: Callable[..., Any]) -> None:
    batch = world.run().batch
    before = writes(world)
    for name in ("check", "promote", "dead_letter", "check"):
        assert call(name, push({"batch": batch, "pack": "0"})).status_code == 200
    assert writes(world) == before
    assert world.documents("planned-poles") == {}
    assert world.batch(batch).status is Status.UNDER_REVIEW


def test_a_canary_of_the_source_is_in_no_log_line(
    world: World, call: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    batch = call("capture", {"pipeline": "fibre_network"}).json["done"][0]["batch"]
    call("check", push({"batch": batch, "pack": "0"}))
    call("sweep", {})
    said = "".join(capsys.readouterr())
    assert [json.loads(line)["severity"] for line in said.splitlines()]
    for secret in ("Canary", "Somebody Private", *world.link()):
        assert secret not in said


@pytest.mark.parametrize("error", [Unavailable("the database is away"), ZeroDivisionError("a bug")], ids=["away", "a bug"])
def test_one_target_that_fails_never_stops_the_sweep_of_the_others(
    call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    tenants, swept = Tenants(), list[str]()
    for name in ("alpha", "beta", "gamma"):
        tenants.declare(name)
    tenants.break_("delta", prefix=7)
    wiring.use(tenants.contexts)

    def sweeping(ctx: Context) -> list[str]:
        swept.append(ctx.target.name)
        if ctx.target.name == "alpha":
            raise error
        return [f"{ctx.id} was swept"]

    monkeypatch.setattr(workers, "run_sweep", sweeping)
    answer = call("sweep", {})
    assert swept == ["alpha", "beta", "gamma"]
    assert answer.status_code == (503 if isinstance(error, Unavailable) else 500)


def test_the_sweep_tells_of_targets_that_are_declared_wrongly(call: Callable[..., Any]) -> None:
    tenants = Tenants()
    tenants.declare("alpha")
    tenants.break_("delta", prefix=7)
    wiring.use(tenants.contexts)
    _, line = call("sweep", {}).json["done"]
    assert line.startswith("library_loans.delta: is not declared rightly.")


def test_the_sweep_anchors_what_operators_did_in_a_hub(call: Callable[..., Any]) -> None:
    tenants = Tenants()
    tenants.declare("alpha")
    wiring.use(tenants.contexts)
    assert call("sweep", {}).json["done"] == ["library_loans: entry 1 of the hub's audit chain was anchored"]
    assert call("sweep", {}).json["done"] == []


def test_a_quarantine_is_logged_as_an_error_with_the_link_to_its_report(
    call: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    geography = load(GEOGRAPHY)
    tenants = Tenants(geography)
    tenants.declare("alpha", partitions=["XA"])
    broken = [*country(), unit("XA-7-1", 2, "XA-7")]
    landlord = tenants.ports.stores.open("demo-landlord", "(default)")
    tenants.put(landlord, UNITS, [(id, {**data, "updatedAt": tenants.clock.time}) for id, data in broken])
    wiring.use(tenants.contexts)
    for body in ({"pipeline": geography.name}, {"target": f"{geography.name}.alpha"}):
        call("capture", body)
        logged = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
        lines = [line for line in logged if "is quarantined since" in line["message"]]
        (report,) = [name for name in tenants.blobs.names("quarantine/") if name.endswith(".html")]
        assert lines[0]["severity"] == "ERROR"
        assert "1 fault: 1 orphan" in lines[0]["message"]
        assert lines[0]["message"].endswith(f"Report: {tenants.blobs.url(report)}")
