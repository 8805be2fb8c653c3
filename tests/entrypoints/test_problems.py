"""What is answered instead when something is wrong."""

from __future__ import annotations

import json
from http import HTTPStatus
from types import SimpleNamespace

import pytest
from penstock.core.errors import PenstockError
from penstock.entrypoints import problems


def of_python_3_13(status: int) -> SimpleNamespace:
    renamed = {413: "Content Too Large", 422: "Unprocessable Content"}
    return SimpleNamespace(phrase=renamed.get(status, HTTPStatus(status).phrase))


@pytest.mark.parametrize("phrases", [HTTPStatus, of_python_3_13])
def test_a_type_by_which_programs_know_a_problem_stays_whatever_python_calls_its_status(
    phrases: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(problems, "HTTPStatus", phrases)
    told = {status: json.loads(problems.body_of(PenstockError("is wrong"), "/x", status)) for status in (*problems.MEANING, 500)}
    assert {status: problem["type"].removeprefix("urn:penstock:problem:") for status, problem in told.items()} == {
        401: "unauthorized",
        403: "forbidden",
        404: "not-found",
        409: "conflict",
        411: "length-required",
        412: "precondition-failed",
        413: "request-entity-too-large",
        415: "unsupported-media-type",
        422: "unprocessable-entity",
        500: "internal-server-error",
        503: "service-unavailable",
    }
