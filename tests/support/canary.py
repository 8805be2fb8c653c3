"""Canaries: words that stand where nothing may be read, and how to look for them in all that was written."""

from __future__ import annotations

import base64
import gzip
import zlib
from typing import Any

from penstock.core.records import Query
from penstock.core.values import GeoPoint, Reference, Timestamp, Vector
from penstock.ports import Blobs, Store

CANARY = "KANARIE"
UNNAMED: dict[str, Any] = {
    "Owner Name": f"{CANARY} Owner",
    "ID Number": f"{CANARY}8001015009087",
    "Contact": {"phone": [CANARY, {CANARY: CANARY}]},
    CANARY: 1,
    "Photo": CANARY.encode(),
    "Survey": [{"answer": CANARY}],
    "Agent": Reference(f"projects/p/databases/d/documents/people/{CANARY}"),
    "Where": GeoPoint(1.25, 2.5),
    "When": Timestamp(1_790_000_001),
    "Embedding": Vector((1.5, 2.5)),
    "status": CANARY,  # a mapped name in another spelling is another column
    "Latitude ": CANARY,
    "Sales/Notes": f"<script>{CANARY}</script>",
}
UNREADABLE = {
    "Latitude": f"{CANARY} south",
    "Longitude": f"28.80{CANARY}",
    "date_status_changed": f"{CANARY} 2026",
    "lst_mod_dt": f"{CANARY} yesterday",
    "Drop Number": f"DR{CANARY}",
}


def in_documents(store: Store, collections: list[str]) -> list[str]:
    """Every document of these collections as text, unpacked."""
    return [text for name in collections for s in store.scan(Query(name)) for text in (s.path, text_of(s.fields))]


def in_objects(blobs: Blobs) -> list[str]:
    """Every object of the bucket as text, unpacked."""
    found: list[str] = []
    for name in blobs.names(""):
        content = blobs.read(name)
        found += [name, (gzip.decompress(content) if name.endswith(".gz") else content).decode()]
    return found


def text_of(value: Any) -> str:
    if isinstance(value, bytes):
        try:
            return zlib.decompress(value).decode()
        except zlib.error:
            return base64.b64encode(value).decode() + value.decode(errors="replace")
    if isinstance(value, dict):
        return " ".join(f"{name} {text_of(inner)}" for name, inner in value.items())
    if isinstance(value, list):
        return " ".join(map(text_of, value))
    return repr(value)
