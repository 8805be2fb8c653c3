"""What this machine lacks to run the local stack and all tests, and exactly what to type. `python -m penstock.local.needs`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable

from penstock.core.errors import NotFound
from penstock.local.emulators import FIRESTORE, PUBSUB, find_jar, find_java


def find_chromium() -> str:
    """The browser that drives the page tests: CHROMIUM, then PATH."""
    named = os.environ.get("CHROMIUM")
    for name in [named] if named else ["chromium", "chromium-browser", "google-chrome"]:
        if path := shutil.which(name):
            return path
    remedy = "Debian: sudo apt-get install chromium. macOS: brew install chromium. Or name one: CHROMIUM=/path/to/it."
    raise NotFound("is not on this machine", subject="Chromium", remedy=remedy)


NEEDS: dict[str, Callable[[], object]] = {
    "java": find_java,
    "firestore": lambda: find_jar(FIRESTORE),
    "pubsub": lambda: find_jar(PUBSUB),
    "chromium": find_chromium,
}


def missing() -> dict[str, NotFound]:
    """By name, each thing that is not there, with its remedy."""
    found = {}
    for name, find in NEEDS.items():
        try:
            find()
        except NotFound as error:
            found[name] = error
    return found


def script(names: set[str]) -> str:
    """The commands that install these on Debian or Ubuntu, for a user with sudo; they can be pasted as they are."""
    packages = {"java": "default-jre-headless", "chromium": "chromium"}
    components = {"firestore": "cloud-firestore-emulator", "pubsub": "pubsub-emulator"}
    apt = [package for name, package in packages.items() if name in names]
    emulators = [component for name, component in components.items() if name in names]
    lines = []
    if emulators:
        apt.append("curl")
    if apt:
        lines.append(f"sudo apt-get update && sudo apt-get install -y {' '.join(apt)}")
    if emulators:
        gcloud = shutil.which("gcloud")
        if gcloud is None:
            lines.append("curl -fsSL https://sdk.cloud.google.com | bash -s -- --disable-prompts")
            gcloud = "~/google-cloud-sdk/bin/gcloud"
        lines.append(f"{gcloud} components install --quiet {' '.join(emulators)}")
    return "\n".join(f"  {line}" for line in lines)


def main() -> int:
    """Say what is missing; 2 when something is."""
    found = missing()
    for error in found.values():
        print(error, file=sys.stderr)
    if found:
        print(f"\nOn Debian or Ubuntu, all of it at once:\n\n{script(set(found))}\n", file=sys.stderr)
    return 2 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
