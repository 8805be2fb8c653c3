"""What all entry points share: who calls, what they sent, and errors as RFC 9457 problems."""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Callable
from typing import Any

from flask import Request, Response

from penstock import wiring
from penstock.adapters import identity
from penstock.core.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    PenstockError,
    Refused,
    Unavailable,
)
from penstock.entrypoints.logs import log

MAX_BODY = 1 << 20
STATUS: tuple[tuple[type[PenstockError], int], ...] = (
    (Unavailable, 503),
    (OutcomeUnknown, 503),
    (Conflict, 409),
    (Refused, 409),
    (NotFound, 404),
    (InvalidInput, 422),
)

Answer = Response


def status_of(error: PenstockError) -> int:
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def problem(error: PenstockError, status: int) -> Response:
    """What happened, to what, and what to do next; nothing of the inside."""
    body = {"type": "about:blank", "title": type(error).__name__, "status": status, "detail": str(error), "remedy": error.remedy}
    return Response(json.dumps(body), status, content_type="application/problem+json")


def answer(body: Any, status: int = 200) -> Response:
    return Response(json.dumps(body), status, content_type="application/json")


def private(request: Request, do: Callable[[dict[str, Any]], Any]) -> Response:
    """Serve a worker: only for the accounts of this service, one JSON object in, one out. A `Refused` is a 200 for a push or a
    schedule that need not come again, and says so; what may go through later is a 503, and comes again."""
    settings = wiring.settings()
    try:
        certs = settings.certs_url or identity.GOOGLE_CERTS
        identity.verify(request.headers.get("Authorization"), settings.audience, settings.accounts, certs)
    except Refused as error:
        return problem(error, 401)
    try:
        return answer({"done": do(_body(request))})
    except (Refused, NotFound, InvalidInput) as error:
        log(logging.WARNING, str(error), problem=type(error).__name__)
        return answer({"done": None, "refused": str(error)})
    except PenstockError as error:
        log(logging.ERROR, str(error), problem=type(error).__name__)
        return problem(error, status_of(error))


def _body(request: Request) -> dict[str, Any]:
    """The JSON object of a request: as sent by a schedule, or out of the envelope of a Pub/Sub push."""
    if (request.content_length or 0) > MAX_BODY:
        raise InvalidInput("is too large", subject="request", remedy="Send at most a megabyte.")
    try:
        body = json.loads(request.get_data(cache=False) or b"{}")
        if isinstance(body, dict) and isinstance(body.get("message"), dict):
            message = body["message"]
            sent = json.loads(base64.b64decode(message.get("data", ""), validate=True) or b"{}")
            body = {**sent, "delivery": message.get("messageId", ""), "attributes": message.get("attributes", {})}
    except (ValueError, binascii.Error, TypeError) as error:
        raise InvalidInput(
            "is not the JSON of a schedule or of a push", subject="request", remedy="It is not taken again."
        ) from error
    if not isinstance(body, dict):
        raise InvalidInput("is no JSON object", subject="request", remedy="It is not taken again.")
    return body
