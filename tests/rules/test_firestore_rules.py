"""The security rules, on the real emulator: as an anonymous client, as a signed-in one, and as the controls that show that
every request would pass if the rules let it."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from penstock.core import layout

ROOT = Path(__file__).resolve().parents[2]
RULES = (ROOT / "firestore.rules").read_text(encoding="utf-8")
OPEN = "rules_version='2'; service cloud.firestore { match /databases/{d}/documents/{p=**} { allow read, write: if true; } }"
APPLICATION = """
    match /{collection}/{document=**} {
      allow read, write: if request.auth != null && !isPenstock(collection);
    }
"""
OURS = sorted(value for value in vars(layout).values() if isinstance(value, str) and value.startswith("penstock_"))

pytestmark = pytest.mark.emulator


def user_token(project: str) -> str:
    """The emulator takes an unsigned token for a signed-in user."""
    parts = (
        {"alg": "none", "typ": "JWT"},
        {"sub": "visitor", "user_id": "visitor", "aud": project, "iat": 0, "email": "v@example.com"},
    )
    header, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{header}.{body}."


@dataclass
class Client:
    """One caller; every verb answers the HTTP status."""

    url: str  # of the project's documents
    headers: dict[str, str]

    def __call__(self, method: str, path: str, body: object = None) -> int:
        return requests.request(method, f"{self.url}{path}", json=body, headers=self.headers, timeout=30).status_code

    def verbs(self, collection: str, there: str) -> dict[str, int]:
        """Every way to a collection in which the document `there` exists."""
        new, name = f"new-{uuid.uuid4().hex}", self.url.partition("/v1/")[2]
        at = f"{name}/{collection}/{there}"
        counted = {"fieldTransforms": [{"fieldPath": "n", "increment": {"integerValue": "1"}}]}
        fields = {"fields": {"state": {"stringValue": "mine"}}}
        query = {"from": [{"collectionId": collection.rpartition("/")[2]}]}
        anywhere = {"from": [{"collectionId": collection.rpartition("/")[2], "allDescendants": True}]}
        parent = f"/{collection.rpartition('/')[0]}".rstrip("/")
        count = {"structuredAggregationQuery": {"structuredQuery": query, "aggregations": [{"alias": "n", "count": {}}]}}
        return {
            "get": self("GET", f"/{collection}/{there}"),
            "list": self("GET", f"/{collection}"),
            "query": self("POST", f"{parent}:runQuery", {"structuredQuery": query}),
            "group query": self("POST", ":runQuery", {"structuredQuery": anywhere}),
            "count": self("POST", f"{parent}:runAggregationQuery", count),
            "batch get": self("POST", ":batchGet", {"documents": [at]}),
            "create": self("POST", f"/{collection}?documentId={new}", fields),
            "update": self("PATCH", f"/{collection}/{there}", fields),
            "commit": self("POST", ":commit", {"writes": [{"update": {"name": f"{name}/{collection}/{new}", **fields}}]}),
            "transform": self("POST", ":commit", {"writes": [{"transform": {"document": at, **counted}}]}),
            "delete by commit": self("POST", ":commit", {"writes": [{"delete": f"{name}/{collection}/{new}-2"}]}),
            "delete": self("DELETE", f"/{collection}/{there}"),
        }


@dataclass
class Database:
    address: str
    project: str

    @property
    def url(self) -> str:
        return f"http://{self.address}/v1/projects/{self.project}/databases/(default)/documents"

    def load(self, rules: str) -> None:
        body = {"rules": {"files": [{"name": "firestore.rules", "content": rules}]}}
        url = f"http://{self.address}/emulator/v1/projects/{self.project}:securityRules"
        answer = requests.put(url, json=body, timeout=30)
        assert answer.ok, answer.text

    def put(self, path: str) -> str:
        """A document that is there, written past the rules; gives its id."""
        assert self.admin("PATCH", f"/{path}", {"fields": {"state": {"stringValue": "theirs"}}}) == 200
        return path.rpartition("/")[2]

    @property
    def admin(self) -> Client:
        return Client(self.url, {"Authorization": "Bearer owner"})

    @property
    def anonymous(self) -> Client:
        return Client(self.url, {})

    @property
    def signed_in(self) -> Client:
        return Client(self.url, {"Authorization": f"Bearer {user_token(self.project)}"})


@pytest.fixture
def database(firestore_emulator: str, firestore_project: str) -> Database:
    return Database(firestore_emulator, firestore_project)


CALLERS: list[Callable[[Database], Client]] = [lambda db: db.anonymous, lambda db: db.signed_in]
everybody = pytest.mark.parametrize("caller", CALLERS, ids=["anonymous", "signed in"])


def test_the_layout_names_our_collections() -> None:
    assert {"penstock_staging", "penstock_tokens", "penstock_audit"} <= set(OURS)


@everybody
@pytest.mark.parametrize("collection", [*OURS, "penstock_batches/some/decisions", "planned-poles"])
def test_a_client_can_do_nothing(database: Database, caller: Callable[[Database], Client], collection: str) -> None:
    database.load(RULES)
    there = database.put(f"{collection}/there")
    assert set(caller(database).verbs(collection, there).values()) == {403}
    assert database.admin("GET", f"/{collection}/{there}") == 200


@everybody
@pytest.mark.parametrize("collection", [*OURS, "penstock_batches/some/decisions"])
def test_with_open_rules_the_same_requests_pass(
    database: Database, caller: Callable[[Database], Client], collection: str
) -> None:
    database.load(OPEN)
    there = database.put(f"{collection}/there")
    assert set(caller(database).verbs(collection, there).values()) == {200}


@pytest.mark.parametrize("collection", OURS)
def test_the_functions_are_not_held_by_the_rules(database: Database, collection: str) -> None:
    database.load(RULES)
    there = database.put(f"{collection}/there")
    assert set(database.admin.verbs(collection, there).values()) == {200}


@pytest.mark.parametrize("collection", [*OURS, "penstock_batches/some/decisions"])
def test_rules_of_the_application_written_as_advised_open_its_own_and_none_of_ours(database: Database, collection: str) -> None:
    marker = "    // END of the application's own rules."
    assert RULES.count(marker) == 1
    database.load(RULES.replace(marker, APPLICATION))
    ours, theirs = database.put(f"{collection}/there"), database.put("planned-poles/there")
    assert set(database.signed_in.verbs(collection, ours).values()) == {403}
    theirs_now = database.signed_in.verbs("planned-poles", theirs)
    assert {verb for verb, status in theirs_now.items() if status != 200} == {"group query"}  # the rule matches one depth alone
