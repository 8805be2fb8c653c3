"""The public function: the page behind a mailed link. GET and HEAD look; a POST with nonce, cookie and code decides."""

from __future__ import annotations

import logging
import secrets
from dataclasses import replace

from flask import Request, Response
from werkzeug.datastructures import MultiDict

from penstock import wiring
from penstock.core import choices, tokens
from penstock.core.errors import InvalidInput, NotFound, PenstockError, Refused
from penstock.core.plan import Review, Verdict
from penstock.entrypoints import privileges
from penstock.entrypoints.api import serve
from penstock.entrypoints.http import is_api
from penstock.entrypoints.logs import log
from penstock.entrypoints.problems import status_of
from penstock.use_cases import effects
from penstock.use_cases.context import Context, load_batch
from penstock.use_cases.decide import Said, WrongCode, decide_by_link, parse_verdict
from penstock.use_cases.reviewing import GOING, Progress, by_link, progress, review_by_link
from penstock.web import views
from penstock.web.headers import SECURITY_HEADERS
from penstock.wiring import Contexts

COOKIE = "penstock_session"
SAME_SITE = "Strict"  # the cookie is not sent along with what another site made the browser send
LOOKS = ("GET", "HEAD")
FORM = "application/x-www-form-urlencoded"
MAX_FORM = 256 * 1024
MAX_CHOICES = 2_000
KEEP, MOVE = "keep", "reassign"  # of a unit that others hang below


def review(request: Request) -> Response:
    """`GET /{target}/{token}` shows, `POST` decides. Beside it the API is served, and nothing else."""
    if is_api(request.path):
        return serve.serve(request)
    known = wiring.contexts(privileges.REVIEW)
    try:
        ctx, token = _address(known, request)
        if request.method in LOOKS:
            return _show(request, ctx, token)
        if request.method == "POST":
            return _decide(request, ctx, token)
        refused = _html(
            views.error_page(InvalidInput("is not served here", subject=request.method, remedy="Open the link.")), 405
        )
        refused.headers["Allow"] = "GET, HEAD, POST"
        return refused
    except PenstockError as error:
        log(logging.WARNING, type(error).__name__, what=error.what)
        return _html(views.error_page(error), status_of(error))


def _address(known: Contexts, request: Request) -> tuple[Context, str]:
    parts = request.path.strip("/").split("/")
    unknown = Refused("is not known", subject="This link", remedy="Open the newest mail about this batch and use its link.")
    if len(parts) != 2:
        raise unknown
    try:
        return known.target(parts[0]), parts[1]
    except (NotFound, InvalidInput):  # how operators declare their targets is nobody's who only holds a link
        raise unknown from None


def _show(request: Request, ctx: Context, token: str) -> Response:
    page = request.args.get("page", "1")
    shown = by_link(ctx, token, int(page) if page.isdecimal() and len(page) < 7 else 1)
    if isinstance(shown, Progress):
        return _going(ctx, token, shown)
    session = request.cookies.get(COOKIE, "")
    fresh = "" if _is_session(session) else secrets.token_urlsafe(32)
    return _page(ctx, token, shown, fresh or session, fresh)


def _page(ctx: Context, token: str, shown: Review, session: str, fresh: str, status: int = 200) -> Response:
    shown = replace(shown, nonce=tokens.nonce(_nonce_key(ctx), session, token))
    answer = _html(views.review_page(shown, f"{ctx.ports.base_url}/{ctx.id}/{token}"), status)
    if fresh:
        secure = ctx.ports.base_url.startswith("https:")
        answer.set_cookie(COOKIE, fresh, httponly=True, secure=secure, samesite=SAME_SITE, max_age=12 * 3600)
    return answer


def _going(ctx: Context, token: str, going: Progress) -> Response:
    """The page while a promotion runs. It renews itself by asking for the link again, never by sending a form again."""
    url = f"{ctx.ports.base_url}/{ctx.id}/{token}"
    return _html(views.progress_page(going.batch, ctx.pipeline.title, going.done, going.batch.approved, url, going.seconds_left))


def _decide(request: Request, ctx: Context, token: str) -> Response:
    size = request.content_length  # None: sent in chunks, which no browser does with a form
    if size is None or size > MAX_FORM or request.mimetype != FORM:
        raise InvalidInput("is not the page's own form", subject="request", remedy="Nothing was decided. Open the link again.")
    session, nonce = request.cookies.get(COOKIE, ""), request.form.get("nonce", "")
    if not _is_session(session) or not tokens.is_nonce(nonce, _nonce_key(ctx), session, token):
        raise Refused(
            "was not made in this browser, or is older than a day",
            subject="This form",
            remedy="Nothing was decided. Load the page again.",
        )
    try:
        batch, owed = decide_by_link(ctx, token, request.form.get("code", "")[:40], _said(request))
    except (InvalidInput, WrongCode) as error:
        if isinstance(error, WrongCode):
            effects.pay(ctx, error.owed)
        shown = replace(review_by_link(ctx, token), form=dict(request.form), error=str(error))
        return _page(ctx, token, shown, session, "", status_of(error))
    for failure in effects.pay(ctx, owed):
        log(logging.WARNING, failure, target=ctx.id)
    now = load_batch(ctx, batch.id).batch
    if now.status in GOING:
        return _going(ctx, token, progress(ctx, now))
    return _html(views.done_page(now, ctx.pipeline.title))


def _said(request: Request) -> Said:
    """The form as a decision. The nonce belongs to the token, and the token to the digest that the page showed."""
    form = request.form
    groups: dict[str, Verdict] = {}
    changes: dict[str, Verdict] = {}
    _demand_plain(form)
    verdict = parse_verdict(form.get("verdict", ""))
    for name, value in form.items():
        kind, dot, rest = name.partition(".")
        if not dot or value in ("", "each", choices.CASCADE):
            continue
        if kind in ("rule", "mass"):
            groups[f"{kind}:{rest}"] = parse_verdict(value)
        elif kind == "change" or (kind == "choice" and value == KEEP):
            changes[rest] = "reject" if kind == "choice" else parse_verdict(value)
    for line in form.get("except", "").splitlines():
        if key := line.strip():
            changes[key] = "reject"
    return Said(verdict, groups, changes, form.get("note", ""), _chosen(form) if verdict == "approve" else {})


def _chosen(form: MultiDict[str, str]) -> dict[str, str]:
    """What becomes of what hangs below units that go: by key, or for each by the answer for the rule."""
    found: dict[str, str] = {}
    for name, value in form.items():
        kind, _, key = name.partition(".")
        if kind == "choice" and value not in ("", KEEP):
            found[key] = choices.parse(choices.reassign(form.get(f"to.{key}", "")) if value == MOVE else value)
        elif kind == "rule" and value == choices.CASCADE:
            found[choices.EACH] = value
        elif kind == "to" and value and form.get(f"choice.{key}") != MOVE:
            remedy = "Nothing was decided. Choose that what hangs below it moves there, or take the id out."
            raise InvalidInput(f"was given the id {value[:120]}, and no move was chosen", subject=key[:200], remedy=remedy)
    return found


def _demand_plain(form: MultiDict[str, str]) -> None:
    """Few enough choices, and each said once: of two the reader might have meant the other."""
    if len(form) > MAX_CHOICES:
        raise InvalidInput(
            f"has more than {MAX_CHOICES} choices", subject="form", remedy="Decide by rule, or leave changes out by key."
        )
    if twice := next((name for name, values in form.lists() if len(values) > 1), None):
        raise InvalidInput(f"holds {twice[:40]!r} twice", subject="form", remedy="Nothing was decided. Load the page again.")


def _nonce_key(ctx: Context) -> bytes:
    return next(iter(ctx.ports.keys.values()))


def _is_session(text: str) -> bool:
    return 40 <= len(text) <= 64 and text.isascii()


def _html(body: str, status: int = 200) -> Response:
    return Response(body, status, headers=SECURITY_HEADERS, content_type="text/html; charset=utf-8")
