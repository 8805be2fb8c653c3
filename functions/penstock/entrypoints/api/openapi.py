"""The OpenAPI 3.1 document, made from the table of routes and from the models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic.json_schema import models_json_schema

from penstock.core.declaration import Pipeline
from penstock.entrypoints.api import models
from penstock.entrypoints.api.routes import ROUTES, Parameter, Route
from penstock.entrypoints.problems import MEANING, PROBLEM, title_of

REF = "#/components/schemas/{model}"
KEY = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
_WHAT = {
    "tenant": ("The tenant's name", r"^[a-z][a-z0-9_]*$"),
    "externalId": ("The landlord's id of a unit", r"^[^\s./]{1,300}$"),
    "batch": ("The id of a batch", r"^[a-z0-9_.-]+$"),
}


def document(pipelines: Iterable[Pipeline], server: str = "/") -> models.Document:
    """Of every pipeline that is served. `server`: the address of the review service."""
    served = [pipeline for pipeline in pipelines if pipeline.api]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Penstock",
            "version": _version(),
            "description": "Review by program. Each call carries an OpenID Connect ID token for this service as its bearer.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": server}],
        "security": [{"signedIn": []}],
        "tags": [{"name": p.name, "description": p.title} for p in served],
        "paths": {path: operations for pipeline in served for path, operations in _paths(pipeline).items()},
        "components": {
            "schemas": _schemas(),
            "responses": {_name(status): _problem(status) for status in sorted(MEANING)},
            "securitySchemes": {"signedIn": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _version() -> str:
    try:
        return version("penstock")
    except PackageNotFoundError:  # deployed as files, not as a package
        return "0"


def _paths(pipeline: Pipeline) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        found.setdefault(f"/tenants/{{tenant}}/{pipeline.api}/{route.path}", {})[route.method.lower()] = _operation(
            pipeline, route
        )
    return found


def _operation(pipeline: Pipeline, route: Route) -> dict[str, Any]:
    names = ["tenant", *(part[1:-1] for part in route.parts if part.startswith("{"))]
    parameters = [*map(_in_path, names), *map(_in_query, route.query)]
    answers: dict[str, Any] = {str(route.status): _answer(route)}
    answers |= {str(s): {"$ref": f"#/components/responses/{_name(s)}"} for s in route.statuses if s != route.status}
    found: dict[str, Any] = {
        "operationId": f"{pipeline.name}.{route.name}",
        "tags": [pipeline.name],
        "summary": route.says,
        "description": f"For {'approvers' if route.decides else 'approvers and operators'} of the tenant.",
        "parameters": parameters + ([_KEY] if route.method == "POST" else []),
        "responses": {status: answers[status] for status in sorted(answers)},
    }
    if route.body is not None:
        content = {"application/json": {"schema": {"$ref": REF.format(model=route.body.__name__)}}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _in_path(name: str) -> dict[str, Any]:
    says, pattern = _WHAT[name]
    schema = {"type": "string", "pattern": pattern}
    return {"name": name, "in": "path", "required": True, "description": says, "schema": schema}


def _in_query(of: Parameter) -> dict[str, Any]:
    number = {"type": "integer", "minimum": 1, "maximum": of.most, "default": of.default}
    schema = number if of.most else {"type": "boolean", "default": of.default}
    return {"name": of.name, "in": "query", "required": False, "description": of.says, "schema": schema}


_KEY = {
    "name": KEY,
    "in": "header",
    "required": False,
    "description": f"The same key and body within a day get the same answer, marked with `{REPLAYED}: true`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}


def _answer(route: Route) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": REF.format(model=route.answer.__name__)}}}
    return {"description": HTTPStatus(route.status).phrase, "content": content}


def _problem(status: int) -> dict[str, Any]:
    return {"description": MEANING[status], "content": {PROBLEM: {"schema": {"$ref": REF.format(model=models.Problem.__name__)}}}}


def _name(status: int) -> str:
    return title_of(status).replace(" ", "").replace("-", "")


def _schemas() -> Mapping[str, Any]:
    bodies = [(route.body, "validation") for route in ROUTES if route.body]
    answers = [(model, "serialization") for model in (models.Problem, *(route.answer for route in ROUTES))]
    _, made = models_json_schema([*dict.fromkeys(bodies), *dict.fromkeys(answers)], ref_template=REF)  # type: ignore[list-item]
    found: Mapping[str, Any] = made["$defs"]
    return found
