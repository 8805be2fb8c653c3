"""A program at the API, every answer of which is held against the OpenAPI document."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from penstock.core import layout
from penstock.core.records import Query
from penstock.entrypoints.api import openapi
from penstock.entrypoints.api.routes import ROUTES
from penstock.local.identity import Issuer
from serving import served
from support.tenancy import MEMBERS, UNITS
from support.world import APPROVER, World

AUDIENCE = "https://review.example.org"
ROOT = "/tenants/nepal/geography-sync"


@dataclass
class Caller:
    """`who` signs in; "" does not. `seen` collects the operations and the statuses that they answered with."""

    world: World
    issuer: Issuer
    who: str = APPROVER
    seen: set[tuple[str, int]] = field(default_factory=set)
    client: FlaskClient = field(default_factory=lambda: served("review"))

    def as_(self, who: str) -> Caller:
        return Caller(self.world, self.issuer, who, self.seen, self.client)

    @property
    def document(self) -> dict[str, Any]:
        return openapi.document(self.world.contexts.pipelines.values())

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, **options)

    def post(self, path: str, body: Any = None, **options: Any) -> Any:
        return self.call("POST", path, json={} if body is None else body, **options)

    def call(self, method: str, path: str, *, headers: Mapping[str, str] | None = None, root: str = ROOT, **options: Any) -> Any:
        token = {"Authorization": f"Bearer {self.issuer.mint(AUDIENCE, self.who)}"} if self.who else {}
        answer = self.client.open(f"{root}/{path}", method=method, headers={**token, **(headers or {})}, **options)
        self._hold(method, path, answer)
        return answer

    def _hold(self, method: str, path: str, answer: Any) -> None:
        parts = path.partition("?")[0].split("/")
        route = next((r for r in ROUTES if r.method == method and r.args(parts) is not None), None)
        if route is None:
            return
        self.seen.add((route.name, answer.status_code))
        document = self.document
        said = document["paths"][f"/tenants/{{tenant}}/geography-sync/{route.path}"][method.lower()]["responses"]
        assert str(answer.status_code) in said, (route.name, answer.status_code, answer.text)
        response = said[str(answer.status_code)]
        if "$ref" in response:
            response = document["components"]["responses"][response["$ref"].rpartition("/")[2]]
        ((kind, content),) = response["content"].items()
        assert answer.content_type == kind
        schema = {**content["schema"], "components": document["components"]}
        Draft202012Validator(schema).validate(json.loads(answer.text))
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"

    def decision(self, **more: Any) -> dict[str, Any]:
        """The body of a decision on what is pending."""
        shown = self.get("pending").json
        return {"batch": shown["batch"]["batch"], "digest": shown["digest"], **more}


def state(world: World, collections: Iterable[str] = (*layout.OURS, UNITS, MEMBERS)) -> dict[str, str]:
    """Every document with the moment of its last write."""
    return {s.path: str(s.update_time) for name in collections for s in world.production.scan(Query(name, select=()))}
