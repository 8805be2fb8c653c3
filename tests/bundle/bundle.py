"""The deployed bundle, alone: its files as Terraform packs them, in an environment that holds its requirements and no more."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FUNCTIONS = ROOT / "functions"
LEFT_OUT = re.compile(r"(^|/)(__pycache__|[^/]+\.egg-info)/|^penstock/(local|cli)/")  # as infra/bundle.tf says; a test compares


def files() -> list[str]:
    found = (str(path.relative_to(FUNCTIONS)) for path in FUNCTIONS.rglob("*") if path.is_file())
    return sorted(name for name in found if not LEFT_OUT.search(name))


def locked(path: Path) -> dict[str, str]:
    """Each entry of a lock file by name: version, marker and hashes, as written."""
    entries = re.split(r"\n(?=[a-z0-9])", path.read_text().strip())
    return {re.split(r"[=\s]", entry, maxsplit=1)[0]: entry for entry in entries}
