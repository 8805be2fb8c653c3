"""What is answered instead when something is wrong: RFC 9457 problems."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from flask import Response

from penstock.core.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
    PenstockError,
    Refused,
    Unavailable,
)
from penstock.entrypoints.api import models

PROBLEM = "application/problem+json"
STATUS: tuple[tuple[type[PenstockError], int], ...] = (
    (Unavailable, 503),
    (OutcomeUnknown, 503),
    (Conflict, 409),
    (Refused, 409),
    (NotFound, 404),
    (InvalidInput, 422),
)
MEANING = {
    401: "There is no bearer token, or it is not valid here.",
    403: "This is not yours to see or to do, or it is not there.",
    404: "There is no such batch or unit.",
    409: "Understood, and not allowed now: something else stands against it.",
    411: "How long the body is was not said.",
    412: "What you were shown is not what stands now.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "What was sent cannot be used; `errors` names the places.",
    503: "Nothing was done; the same call may go through later.",
}
HEADERS: Mapping[int, Mapping[str, str]] = {401: {"WWW-Authenticate": "Bearer"}, 503: {"Retry-After": "30"}}
_TITLES = {413: "Request Entity Too Large", 422: "Unprocessable Entity"}  # Python 3.13 calls them otherwise, and `type` must stay


class Problem(PenstockError):
    """An error with a status of its own, and where in what was sent it lies."""

    def __init__(
        self,
        status: int,
        what: str,
        *,
        subject: str = "",
        remedy: str = "",
        errors: Sequence[models.Wrong] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what, subject=subject, remedy=remedy)
        self.status, self.errors, self.headers = status, tuple(errors), headers or {}


def status_of(error: PenstockError) -> int:
    if isinstance(error, Problem):
        return error.status
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def title_of(status: int) -> str:
    return _TITLES.get(status) or HTTPStatus(status).phrase


def body_of(error: PenstockError, path: str, status: int) -> str:
    """What happened, to what, and what to do next; nothing of the inside."""
    title = title_of(status)
    return models.Problem(
        type=f"urn:penstock:problem:{re.sub('[^a-z]+', '-', title.lower())}",
        title=title,
        status=status,
        detail=f"{error.subject}: {error.what}" if error.subject else error.what,
        instance=path,
        remedy=error.remedy,
        errors=error.errors if isinstance(error, Problem) else (),
    ).model_dump_json(by_alias=True)


def response(error: PenstockError, path: str, status: int) -> Response:
    headers = {**HEADERS.get(status, {}), **(error.headers if isinstance(error, Problem) else {})}
    return Response(body_of(error, path, status), status, headers, content_type=PROBLEM)


def inside(error: PenstockError) -> PenstockError:
    """What may be told of an error: of what nobody foresaw nothing."""
    if status_of(error) != 500:
        return error
    return Problem(
        500, "Something went wrong on our side", remedy="Try again in a few minutes, or tell your operator when it was."
    )
