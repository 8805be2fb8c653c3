"""The lock files agree with each other and with pyproject.toml, and name nothing of the machine they were made on."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from bundle import FUNCTIONS, ROOT, locked

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ALL, DEPLOYED = locked(ROOT / "requirements.lock"), locked(FUNCTIONS / "requirements.txt")


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", one, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-") for one in requirements}


def test_what_is_deployed_is_locked_as_what_is_tested() -> None:
    assert len(DEPLOYED) > 20
    assert {name: entry for name, entry in DEPLOYED.items() if ALL.get(name) != entry} == {}


def test_every_dependency_is_locked() -> None:
    assert names(PROJECT["dependencies"]) <= set(DEPLOYED)
    extras = [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
    assert names(PROJECT["dependencies"] + extras) <= set(ALL)


def test_every_entry_names_one_version_and_its_hashes() -> None:
    for name, entry in {**ALL, **DEPLOYED}.items():
        assert re.match(rf"{re.escape(name)}==\S+( ; [^\n]+?)? \\\n", entry), entry[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), name


def test_nothing_for_the_developers_machine_is_deployed() -> None:
    only_local = names(PROJECT["optional-dependencies"]["local"] + PROJECT["optional-dependencies"]["dev"]) - {"httpx"}
    assert only_local & set(DEPLOYED) == set()


# Spelled in pieces, so that this file is not what it looks for.
REGISTRY = re.compile(
    r"://[^/\s]*(" + "|".join(["py" + "pi", "regis" + "try", "artifac" + "tory", "ne" + "xus", "dev" + "pi"]) + r")"
    r"|--?(extra-)?index" + r"-url\b|--find" + r"-links\b|://\S+/sim" + r"ple\b"
)
SKIPPED = {".git", ".venv", ".local", ".terraform", "__pycache__", "node_modules", "build", "dist"}


def tree() -> list[Path]:
    found = []
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if path.is_file() and not any(part in SKIPPED or part.endswith(("_cache", ".egg-info")) for part in parts):
            found.append(path)
    return found


def test_no_package_registry_is_named_anywhere() -> None:
    files = tree()
    assert ROOT / "requirements.lock" in files
    named = {}
    for path in files:
        if found := REGISTRY.search(path.read_bytes().decode("utf-8", "replace")):
            named[str(path.relative_to(ROOT))] = found[0]
    assert named == {}


@pytest.mark.parametrize("host", ["files.py" + "pi.example", "regis" + "try.example.org", "py" + "pi.example/sim" + "ple"])
def test_a_registry_would_be_noticed(host: str) -> None:
    assert REGISTRY.search(f"see https://{host}/ for it")
    assert REGISTRY.search("pip install --extra-index" + "-url x")
