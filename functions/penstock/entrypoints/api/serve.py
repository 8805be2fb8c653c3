"""A request, from its path to its answer: who calls, what may they, what did they say; then one operation."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from flask import Request, Response
from pydantic import ValidationError

from penstock import wiring
from penstock.adapters import identity
from penstock.core import layout
from penstock.core.errors import InvalidInput, NotFound, PenstockError, Refused
from penstock.entrypoints import privileges, problems
from penstock.entrypoints.api import models, openapi
from penstock.entrypoints.api.operations import Call
from penstock.entrypoints.api.routes import ROUTES, Parameter, Route
from penstock.entrypoints.http import API, DOCUMENT
from penstock.entrypoints.logs import log
from penstock.entrypoints.problems import Problem
from penstock.use_cases.context import Context
from penstock.use_cases.repeating import Answer, once
from penstock.wiring import Contexts

MAX_BODY = 256 * 1024
JSON = "application/json"
_TENANT = re.compile(r"[a-z][a-z0-9_]{0,99}")


def serve(request: Request) -> Response:
    """The answer to any request below `/tenants/`, and to one for the document. Only what nobody foresaw is raised."""
    known = wiring.contexts(privileges.REVIEW)
    try:
        if request.path == DOCUMENT:
            return _document(request, known)
        return _served(request, known)
    except PenstockError as error:
        _note(error)
        return problems.response(problems.inside(error), request.path, problems.status_of(error))


def _note(error: PenstockError) -> None:
    status = problems.status_of(error)
    log(logging.ERROR if status >= 500 else logging.WARNING, type(error).__name__, what=error.what, status=status)


def _document(request: Request, known: Contexts) -> Response:
    if request.method not in ("GET", "HEAD"):
        _not_by(request.method, "GET, HEAD")
    found = openapi.document(known.pipelines.values(), known.ports.base_url)
    return Response(json.dumps(found), content_type=JSON)


def _served(request: Request, known: Contexts) -> Response:
    tenant, api, *parts = request.path.removeprefix(API).split("/")
    route, args = _route(request.method, parts)
    email = _signed_in(request, known)
    ctx, who = _admitted(known, tenant, api, email, route)
    if any(not _sayable(value) for value in args.values()):
        raise Problem(404, "is none that there could be", subject="The id in the path", remedy="Copy it from `pending`.")
    call = Call(ctx, who, args, _query(request, route.query))
    if route.body is None:
        found = route.do(call)
        return Response(found.model_dump_json(by_alias=True), route.status, content_type=JSON)
    raw = _raw(request)
    call = Call(ctx, who, args, call.query, _body(raw, route.body))
    key = request.headers.get(openapi.KEY)
    if key is None:
        answer = _done(route, call, request.path)
    else:
        answer = once(ctx, who, key, _digest(request, raw), lambda: _done(route, call, request.path))
    response = Response(answer.body, answer.status, content_type=problems.PROBLEM if answer.status >= 400 else JSON)
    if answer.repeated:
        response.headers[openapi.REPLAYED] = "true"
    response.headers.update(problems.HEADERS.get(answer.status, {}))
    return response


def _done(route: Route, call: Call, path: str) -> Answer:
    try:
        return Answer(route.status, route.do(call).model_dump_json(by_alias=True))
    except PenstockError as error:
        _note(error)
        status = problems.status_of(error)
        return Answer(status, problems.body_of(problems.inside(error), path, status))


def _route(method: str, parts: list[str]) -> tuple[Route, dict[str, str]]:
    found = [(route, args) for route in ROUTES if (args := route.args(parts)) is not None]
    if not found:
        raise Problem(404, "is not served", subject="This path", remedy=f"{DOCUMENT} says what is.")
    served = next((of for of in found if of[0].method == ("GET" if method == "HEAD" else method)), None)
    return served or _not_by(method, ", ".join(route.method for route, _ in found))


def _not_by(method: str, allowed: str) -> NoReturn:
    raise Problem(405, "is not served here", subject=method[:20], remedy=f"Use {allowed}.", headers={"Allow": allowed})


def _signed_in(request: Request, known: Contexts) -> str:
    """The caller's verified address; 401 without."""
    settings = wiring.settings()
    audience = settings.audience or known.ports.base_url
    try:
        return identity.address_of(request.headers.get("Authorization"), audience, settings.certs_url or identity.GOOGLE_CERTS)
    except Refused as error:
        raise Problem(401, error.what, subject=error.subject, remedy=error.remedy) from error


def _admitted(known: Contexts, tenant: str, api: str, email: str, route: Route) -> tuple[Context, str]:
    """The target, and the address under which it knows the caller. Who is nobody there does not learn whether it is there."""
    denied = Problem(403, "is not yours to see, or is not there", subject="This tenant", remedy="Ask its operator to add you.")
    pipeline = next((p for p in known.pipelines.values() if p.api and p.api == api), None)
    if pipeline is None or not _TENANT.fullmatch(tenant):
        raise denied
    try:
        ctx = known.target(layout.target_id(pipeline.name, tenant))
        approvers = ctx.approvers
    except (NotFound, InvalidInput) as error:
        log(logging.WARNING, str(error))
        raise denied from None
    who = _known_as(email, approvers)
    if who is None and (operator := _known_as(email, ctx.operators)) is not None:
        if route.decides:
            raise Problem(403, "is for approvers", subject="Deciding", remedy="Ask one of the approvers to decide.")
        who = operator
    if who is None:
        raise denied
    return ctx, who


def _known_as(email: str, addresses: Sequence[str]) -> str | None:
    return next((address for address in addresses if address.casefold() == email.casefold()), None)


def _sayable(id: str) -> bool:
    return 0 < len(id) <= 300 and id.isprintable() and not any(c.isspace() for c in id)


def _query(request: Request, wanted: Sequence[Parameter]) -> dict[str, int | bool]:
    known = {parameter.name: parameter for parameter in wanted}
    wrong = []
    found: dict[str, int | bool] = {name: parameter.default for name, parameter in known.items()}
    for name, values in request.args.lists():
        parameter = known.get(name)
        if parameter is None:
            wrong.append(models.Wrong(place=f"?{name[:40]}", what=f"is not known here; known: {', '.join(known) or 'none'}"))
        elif len(values) > 1:
            wrong.append(models.Wrong(place=f"?{name}", what="is said twice"))
        elif (value := _parsed(values[0], parameter)) is None:
            of = f"a whole number from 1 to {parameter.most}" if parameter.most else "true or false"
            wrong.append(models.Wrong(place=f"?{name}", what=f"is not {of}"))
        else:
            found[name] = value
    if wrong:
        raise _unusable("The query", wrong)
    return found


def _parsed(text: str, parameter: Parameter) -> int | bool | None:
    if not parameter.most:
        return {"true": True, "false": False}.get(text)
    if not (text.isascii() and text.isdecimal() and len(text) < 8):
        return None
    return int(text) if 1 <= int(text) <= parameter.most else None


def _unusable(subject: str, wrong: Sequence[models.Wrong]) -> Problem:
    what = "; ".join(f"{w.place} {w.what}" for w in wrong[:3])
    return Problem(422, f"cannot be used: {what}", subject=subject, remedy="Nothing was done. Correct it.", errors=wrong[:20])


def _raw(request: Request) -> bytes:
    size = request.content_length
    if size is None:
        raise Problem(411, "was sent without its length", subject="The body", remedy="Send a Content-Length.")
    if size > MAX_BODY:
        raise Problem(413, f"is larger than {MAX_BODY // 1024} KiB", subject="The body", remedy="Send less.")
    if request.mimetype != JSON:
        raise Problem(415, "is no JSON", subject="The body", remedy=f"Send it as {JSON}.")
    return request.get_data()


def _body(raw: bytes, model: type[models.Body]) -> models.Body:
    try:
        sent = json.loads(raw, object_pairs_hook=_once_each, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        why = str(error) if isinstance(error, _Twice) else "is no JSON"
        raise _unusable("The body", [models.Wrong(place="", what=why)]) from error
    try:
        return model.model_validate(sent)
    except ValidationError as error:
        wrong = [
            models.Wrong(place=".".join(str(part)[:80] for part in found["loc"]), what=_what(found["msg"]))
            for found in error.errors(include_input=False, include_url=False, include_context=False)
        ]
        raise _unusable("The body", wrong) from error


class _Twice(ValueError):
    """A key stands twice in one object: of the two the sender might have meant the other."""


def _once_each(pairs: list[tuple[str, Any]]) -> Mapping[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _Twice("holds a key twice")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(text)


def _what(message: str) -> str:
    return message.removeprefix("Value error, ")


def _digest(request: Request, raw: bytes) -> str:
    return hashlib.sha256(b"\n".join((request.method.encode(), request.full_path.encode(), raw))).hexdigest()
