"""The environment, read once. Everything that a deployment differs in is here, under names that begin with PENSTOCK_."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock.core import keyring
from penstock.core.errors import InvalidInput
from penstock.core.values import Timestamp

EMULATORS = ("FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST", "STORAGE_EMULATOR_HOST")
STAND_INS = (*EMULATORS, "PENSTOCK_CERTS_URL")  # whoever answers there instead of Google is believed


class Settings(BaseModel):
    """`projects` and `people` are what pipelines mean by the names in them. Of `keys` the first signs, all verify until
    `keys_until`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    projects: dict[str, str]
    people: dict[str, tuple[str, ...]]
    keys: dict[str, bytes]
    keys_until: dict[str, Timestamp] = {}
    google_project: str = ""
    bucket: str = ""
    audit_bucket: str = ""  # for the audit chain's anchors; "" keeps them in `bucket`
    base_url: str = ""
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_user: str = ""
    smtp_password: str = ""
    mail_from: str = ""
    audience: str = ""  # of the private endpoint that this process serves
    accounts: frozenset[str] = frozenset()  # who may call it
    certs_url: str = ""  # "" for Google's
    pipelines: Path | None = None  # None: those in the bundle
    only: tuple[str, ...] = ()  # of them, those that this deployment uses; (): all
    threads: int = 8
    stale_seconds: float = Field(default=120.0, gt=0)  # how long a silent run or effect is left alone before the sweep takes over
    firestore_emulator: str | None = None


def read(environ: Mapping[str, str] = os.environ) -> Settings:
    """Raises `InvalidInput` that names the variable. Refuses stand-ins in production, where they would be somebody's trap."""
    if "K_REVISION" in environ:  # Cloud Run sets it
        _demand_production(environ)
    ring = keyring.parse(environ.get("PENSTOCK_KEYS", ""))
    given: dict[str, object] = {
        "projects": dict(_named(environ, "PENSTOCK_PROJECT_")),
        "people": {name: _list(value) for name, value in _named(environ, "PENSTOCK_PEOPLE_")},
        "keys": ring.keys,
        "keys_until": ring.until,
        "google_project": environ.get("GOOGLE_CLOUD_PROJECT", ""),
        "accounts": _list(environ.get("PENSTOCK_ACCOUNTS", "")),
        "only": _list(environ.get("PENSTOCK_ONLY", "")),
        "firestore_emulator": environ.get("FIRESTORE_EMULATOR_HOST") or None,
    }
    plain = (
        "bucket",
        "audit_bucket",
        "base_url",
        "smtp_host",
        "smtp_port",
        "smtp_security",
        "smtp_user",
        "smtp_password",
        "mail_from",
        "audience",
    )
    for name in (*plain, "certs_url", "pipelines", "threads", "stale_seconds"):
        if value := environ.get(f"PENSTOCK_{name.upper()}"):
            given[name] = value
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        name = "PENSTOCK_" + "_".join(str(part) for part in first["loc"]).upper()
        raise InvalidInput(first["msg"], subject=name, remedy="Mend this setting; nothing was started.") from None


def _demand_production(environ: Mapping[str, str]) -> None:
    if set_here := next((name for name in STAND_INS if environ.get(name)), None):
        raise InvalidInput("is set in production", subject=set_here, remedy="Remove it from the service; nothing was started.")
    if not environ.get("PENSTOCK_BASE_URL", "https:").startswith("https:"):
        raise InvalidInput(
            "is no https address, and links and cookies would travel in the clear",
            subject="PENSTOCK_BASE_URL",
            remedy="Name the service's https address; nothing was started.",
        )


def _named(environ: Mapping[str, str], prefix: str) -> list[tuple[str, str]]:
    return [(name.removeprefix(prefix).lower(), value) for name, value in environ.items() if name.startswith(prefix) and value]


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
