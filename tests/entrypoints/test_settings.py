"""The environment: what is weak, missing or dangerous in it is refused by name, before anything starts."""

from __future__ import annotations

import pytest
from penstock import wiring
from penstock.core.errors import InvalidInput
from penstock.settings import read

STRONG = "8f3a1c5e7b9d2046f1e3d5c7b9a8076543210fedcba98765a1b2c3d4e5f60718"
WHOLE = {
    "PENSTOCK_KEYS": f"new:{STRONG},old:{STRONG[::-1]}",
    "PENSTOCK_BUCKET": "reports",
    "PENSTOCK_BASE_URL": "https://review.example.org/",
    "PENSTOCK_SMTP_HOST": "smtp.example.org",
    "PENSTOCK_MAIL_FROM": "penstock@example.org",
    "GOOGLE_CLOUD_PROJECT": "p",
    "PENSTOCK_PROJECT_ONEMAP": "source-project",
    "PENSTOCK_PEOPLE_FIBRE_APPROVERS": "a@example.org, b@example.org",
    "PENSTOCK_ACCOUNTS": "x@example.org",
}


def test_a_whole_environment_is_read() -> None:
    settings = read(WHOLE)
    assert settings.projects == {"onemap": "source-project"}
    assert settings.people == {"fibre_approvers": ("a@example.org", "b@example.org")}
    assert list(settings.keys) == ["new", "old"]
    assert settings.accounts == frozenset({"x@example.org"})
    ports = wiring.ports(settings)
    assert (ports.base_url, ports.stale_seconds) == ("https://review.example.org", 120)


@pytest.mark.parametrize(
    "name", ["FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST", "PENSTOCK_CERTS_URL"]
)
def test_a_stand_in_for_google_in_production_stops_everything(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name}: is set in production"):
        read(WHOLE | {"K_REVISION": "review-00001", name: "http://localhost:8080"})
    assert read(WHOLE | {name: "http://localhost:8080"}).bucket == "reports"
    assert read(WHOLE | {"K_REVISION": "review-00001", name: ""}).bucket == "reports"


def test_a_deployment_may_use_some_of_the_bundled_pipelines_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(WHOLE).only == ()
    monkeypatch.setattr(wiring, "settings", lambda: read(WHOLE | {"PENSTOCK_ONLY": "fibre_network"}))
    assert list(wiring._from_environment.__wrapped__().pipelines) == ["fibre_network"]
    monkeypatch.setattr(wiring, "settings", lambda: read(WHOLE | {"PENSTOCK_ONLY": "fibre_network, tenant_geografy"}))
    with pytest.raises(InvalidInput, match=r"no pipeline `tenant_geografy`\. Did you mean `tenant_geography`\?"):
        wiring._from_environment.__wrapped__()


def test_links_are_https_in_production() -> None:
    clear = WHOLE | {"PENSTOCK_BASE_URL": "http://review.example.org"}
    with pytest.raises(InvalidInput, match="PENSTOCK_BASE_URL: is no https address"):
        read(clear | {"K_REVISION": "review-00001"})
    assert read(clear).base_url == "http://review.example.org"


@pytest.mark.parametrize("key", ["", "00" * 32, "ab" * 32, STRONG[:62], "secret", "g" * 64])
def test_a_weak_key_is_refused_and_not_repeated(key: str) -> None:
    with pytest.raises(InvalidInput, match="KEYS") as caught:
        read(WHOLE | {"PENSTOCK_KEYS": f"new:{key}"})
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["PENSTOCK_KEYS", "PENSTOCK_BUCKET", "PENSTOCK_BASE_URL", "PENSTOCK_SMTP_HOST", "PENSTOCK_MAIL_FROM"]
)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(InvalidInput, match=f"{name} is not set"):
        wiring.ports(read({other: value for other, value in WHOLE.items() if other != name}))


@pytest.mark.parametrize(
    ("name", "value"), [("SMTP_PORT", "many"), ("SMTP_SECURITY", "some"), ("THREADS", "x"), ("STALE_SECONDS", "0")]
)
def test_a_value_that_is_none_is_refused_by_its_name(name: str, value: str) -> None:
    with pytest.raises(InvalidInput, match=f"PENSTOCK_{name}"):
        read(WHOLE | {f"PENSTOCK_{name}": value})
