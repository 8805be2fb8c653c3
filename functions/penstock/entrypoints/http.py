"""What all entry points share: who calls, what they sent, and what is answered when something goes wrong."""

from __future__ import annotations

import base64
import binascii
import json
import logging
import secrets
import traceback
from collections.abc import Callable
from typing import Any

from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException

from penstock import wiring
from penstock.adapters import identity
from penstock.core.errors import InvalidInput, NotFound, PenstockError, Refused, Unavailable
from penstock.entrypoints import problems
from penstock.entrypoints.logs import log
from penstock.entrypoints.problems import status_of
from penstock.web import views
from penstock.web.headers import SECURITY_HEADERS

MAX_BODY = 1 << 20
API, DOCUMENT = "/tenants/", "/openapi.json"


def is_api(path: str) -> bool:
    """Whether a path is the API's, and not that of a mailed link."""
    return path.startswith(API) or path == DOCUMENT


class Malformed(InvalidInput):
    """A message or a schedule's body that no try will ever make usable. It is acknowledged, and not sent again."""


def guard(app: Flask) -> None:
    """What holds for every answer of a function, those included that the framework gives by itself: security headers, and no
    word about the inside."""
    app.register_error_handler(Exception, unexpected)
    app.after_request(_sealed)


def unexpected(error: Exception) -> Response:
    """The answer to whatever nobody foresaw. What it was stands in the log, under the reference that the person is given."""
    if isinstance(error, HTTPException) and (status := error.code or 500) < 500:
        what = f"was not accepted ({error.name})"
        return _page_or_problem(NotFound(what, subject="This request", remedy="Open the link of the newest mail."), status)
    reference = secrets.token_hex(6)
    # Where, and not what: the message of an exception, and the lines of code around it, may carry values of records.
    where = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)[-8:]]
    said = str(error) if isinstance(error, PenstockError) else f"unexpected {type(error).__name__}"
    log(logging.ERROR, said, reference=reference, where=where)
    shown = PenstockError(
        "Something went wrong on our side.",
        remedy=f"Try again in a few minutes. If it stays so, tell your operator this reference: {reference}.",
    )
    return _page_or_problem(shown, 503 if isinstance(error, Unavailable) else 500)


def _page_or_problem(error: PenstockError, status: int) -> Response:
    wanted = request.accept_mimetypes.best_match(["text/html", problems.PROBLEM], "text/html")
    if wanted == "text/html" and not request.is_json and not is_api(request.path):
        return Response(views.error_page(error), status, content_type="text/html; charset=utf-8")
    return problem(error, status)


def _sealed(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def problem(error: PenstockError, status: int) -> Response:
    return problems.response(error, request.path, status)


def answer(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")


def private(request: Request, do: Callable[[dict[str, Any]], Any]) -> Response:
    """Serve a worker: only for the accounts of this service, one JSON object in, one out. What no further try can change is a 200
    that says so, and does not come again; all other failures do, and end in the dead letters when they stay."""
    if request.method != "POST":
        return problem(NotFound("is not served here", subject=request.method, remedy="Use POST."), 405)
    settings = wiring.settings()
    try:
        certs = settings.certs_url or identity.GOOGLE_CERTS
        identity.verify(request.headers.get("Authorization"), settings.audience, settings.accounts, certs)
    except Refused as error:
        log(logging.WARNING, "a call was refused", reason=error.what)
        return problem(error, 401)
    except Unavailable as error:
        log(logging.ERROR, str(error))
        return problem(error, 503)
    try:
        return answer({"done": do(_body(request))})
    except (Refused, NotFound, Malformed) as error:
        log(logging.WARNING, str(error), problem=type(error).__name__)
        return answer({"done": None, "refused": str(error)})
    except PenstockError as error:
        log(logging.ERROR, str(error), problem=type(error).__name__)
        return problem(error, status_of(error))


def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request: as sent by a schedule, or out of the envelope of a Pub/Sub push."""
    sent_bytes = request.get_data()
    if len(sent_bytes) > MAX_BODY:
        raise Malformed("is too large", subject="request", remedy="Send at most a megabyte.")
    try:
        body = json.loads(sent_bytes or b"{}")
        if isinstance(body, dict) and isinstance(body.get("message"), dict):
            message = body["message"]
            sent = json.loads(base64.b64decode(message.get("data", ""), validate=True) or b"{}")
            body = {**sent, "delivery": message.get("messageId", ""), "attributes": message.get("attributes", {})}
    except (ValueError, binascii.Error, TypeError, RecursionError) as error:
        raise Malformed(
            "is not the JSON of a schedule or of a push", subject="request", remedy="It is not taken again."
        ) from error
    if not isinstance(body, dict):
        raise Malformed("is no JSON object", subject="request", remedy="It is not taken again.")
    return body
