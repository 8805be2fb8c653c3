"""Programs at the review of tenants that are not theirs, and with what no program sends."""

from __future__ import annotations

import time
from dataclasses import replace
from functools import cache
from typing import Any

import httpx
from attacks.endpoints import Given, bearer, decoding, part, post, signed
from attacks.lab import HOUR, Lab
from attacks.registry import attack, replaced
from penstock.core import layout
from penstock.core.audit import Head
from penstock.core.batch import Status
from penstock.core.plan import Batch
from penstock.pipelines.schema import load_all
from penstock.use_cases import registry
from penstock.use_cases.context import Context, batch_write, find_batch, load_batch
from penstock.wiring import Contexts

SECTION = "programs"
MINE, THEIRS, STRANGER = "maya@penstock.example", "karma@penstock.example", "somebody@elsewhere.example"
VIEWS = ("staging-status", "pending", "history", "change/p1", "impact/p1")
POSTS = ("staging", "approve", "reject")


@cache
def tenants(lab: Lab) -> dict[str, Context]:
    """Two tenants of one database, each with an approver and a batch of its own."""
    pipelines = load_all()
    known = Contexts(_ports(lab), pipelines)
    for name, approver in (("mine", MINE), ("theirs", THEIRS)):
        given = {"project": "landlord", "prefix": f"tenants/{name}/", "partitions": ["NP"], "approvers": [approver]}
        registry.add(known.ports, pipelines["tenant_geography"], name, given, "ops@penstock.example")
    found = {name: known.target(f"tenant_geography.{name}") for name in ("mine", "theirs")}
    for ctx in found.values():
        now = ctx.ports.now()
        batch = Batch(batch_of(ctx), ctx.pipeline.name, ctx.id, "sync", Status.UNDER_REVIEW, now, now, "schedule", digest="d")
        if find_batch(ctx, batch.id) is None:
            ctx.store.commit([batch_write(ctx, batch, Head(), "made", None)])  # type: ignore[arg-type]
    return found


def _ports(lab: Lab) -> Any:
    return replace(lab.world.contexts.ports, project_ids=lab.settings.projects)


def batch_of(ctx: Context) -> str:
    return f"{ctx.id}.20260601t020000-000000"


def call(lab: Lab, path: str, who: str, *, tenant: str = "mine", method: str = "GET", **options: Any) -> httpx.Response:
    tenants(lab)
    url = lab.url("review")
    headers = bearer(signed(lab, url, email=who))
    return httpx.request(method, f"{url}/tenants/{tenant}/geography-sync/{path}", headers=dict(headers), timeout=60, **options)


def anybody(email: str, _: object) -> str:
    return email


@attack(
    SECTION, guard="the caller is one of the tenant's own", without=replaced("penstock.entrypoints.api.serve._known_as", anybody)
)
def another_tenants_approver_looks_or_decides(lab: Lab) -> object:
    assert call(lab, "pending", MINE).status_code == 200
    likenesses = (THEIRS, STRANGER, f"{MINE}.evil.example", MINE.replace("@", "+x@"), f" {MINE}", "")
    found = [f"{who!r} at {path}" for who in likenesses for path in VIEWS if call(lab, path, who).status_code != 403]
    for path in POSTS:
        answer = call(lab, path, THEIRS, method="POST", json={})
        found += [f"{path}: {answer.status_code}"] if answer.status_code != 403 else []
    return found


@attack(
    SECTION,
    guard="one answer, whether the tenant is there or not",
    without=replaced("penstock.entrypoints.api.serve.NotFound", type("Other", (Exception,), {})),
)
def a_stranger_learns_which_tenants_there_are(lab: Lab) -> object:
    def told(who: str, tenant: str) -> tuple[int, str, str]:
        answer = call(lab, "pending", who, tenant=tenant)
        return answer.status_code, answer.text.replace(tenant, "…"), str(sorted(answer.headers))

    first = told(STRANGER, "mine")
    return [name for name in ("theirs", "nowhere", "x" * 99) if told(STRANGER, name) != first or told(MINE, name) != first]


@attack(SECTION, guard="the token's audience", without=decoding(audience=None))
def a_token_for_another_service_opens_the_review(lab: Lab) -> object:
    tenants(lab)
    url = lab.url("review")
    others = (lab.url("capture"), lab.url("promote"), url + "/", url[:-1], "", None, "32555940559.apps.googleusercontent.com")
    return [other for other in others if _opens(lab, bearer(signed(lab, other, email=MINE)))]  # type: ignore[arg-type]


@attack(SECTION, guard="the token's times", without=replaced("google.auth.jwt._verify_iat_and_exp", lambda *_, **__: None))
def a_token_of_yesterday_or_tomorrow_opens_the_review(lab: Lab) -> object:
    now = int(time.time())
    times = ({"iat": now - 2 * int(HOUR), "exp": now - int(HOUR)}, {"iat": now + int(HOUR), "exp": now + 2 * int(HOUR)})
    return [of for of in times if _opens(lab, bearer(signed(lab, lab.url("review"), email=MINE, **of)))]


@attack(SECTION, guard="the address is verified", without=decoding(lambda claims: claims.update(email_verified=True)))
def an_address_that_somebody_only_claims_opens_the_review(lab: Lab) -> object:
    said = (False, None, "true", 1)
    return [word for word in said if _opens(lab, bearer(signed(lab, lab.url("review"), email=MINE, email_verified=word)))]


def _anybody_is(who: str) -> Any:
    return replaced("penstock.entrypoints.api.serve.identity.address_of", lambda *_: who)


@attack(SECTION, guard="the bearer token", without=_anybody_is(MINE))
def a_cookie_a_header_or_a_parameter_signs_in(lab: Lab) -> object:
    token = signed(lab, lab.url("review"), email=MINE)
    forged: tuple[Given, ...] = (
        {},
        {"Cookie": f"Authorization=Bearer {token}; __session={token}"},
        {"X-Goog-Authenticated-User-Email": f"accounts.google.com:{MINE}", "X-Forwarded-User": MINE, "From": MINE},
        {"X-Apigateway-Api-Userinfo": part({"email": MINE, "email_verified": True})},
        {"Authorization": f"Basic {token}"},
        {"Proxy-Authorization": f"Bearer {token}", "X-Serverless-Authorization": f"Bearer {token}"},
    )
    return [of for of in forged if _opens(lab, of) or _opens(lab, of, f"pending?access_token={token}")]


def _opens(lab: Lab, headers: Given, path: str = "pending") -> bool:
    tenants(lab)
    url = lab.url("review")
    answer = httpx.get(f"{url}/tenants/mine/geography-sync/{path}", headers=dict(headers), timeout=60)
    return answer.status_code not in (401, 403)


@attack(
    SECTION,
    guard="a batch is of the tenant in the path",
    without=replaced(
        "penstock.entrypoints.api.operations.Call.batch",
        lambda call, named="": load_batch(call.ctx, named or call.args["batch"]).batch,
    ),
)
def another_tenants_batch_is_reached_by_its_id(lab: Lab) -> object:
    """Their batches lie in the same database; and ids that would lead to other documents."""
    mine, theirs = (batch_of(tenants(lab)[name]) for name in ("mine", "theirs"))
    assert call(lab, f"batch/{mine}", MINE).status_code == 200
    ids = (
        theirs,
        f"{mine}%2F..%2F{theirs}",
        f"..%2F{layout.TARGETS}%2F{tenants(lab)['theirs'].id}",
        f"{theirs}%00",
        theirs.upper(),
    )
    found = [id for id in ids if call(lab, f"batch/{id}", MINE).status_code != 404]
    for path in ("approve", "reject"):
        body = {"batch": theirs, "digest": "d", "reason": "mine"}
        if call(lab, path, MINE, method="POST", json=body).status_code != 404:
            found.append(path)
    return found


@attack(SECTION, guard="a body's bound", without=replaced("penstock.entrypoints.api.serve.MAX_BODY", 1 << 40))
def a_body_as_large_as_one_likes_is_read(lab: Lab) -> object:
    url = f"{lab.url('review')}/tenants/mine/geography-sync/approve"
    tenants(lab)
    headers = {**bearer(signed(lab, lab.url("review"), email=MINE)), "Content-Type": "application/json"}
    bodies = (b"[" + b" " * 20_000_000 + b"]", b'{"batch": "' + b"x" * 300_000 + b'"}')
    return [len(body) for body in bodies if post(url, headers, content=body).status_code != 413]
