"""functions/ alone, with its requirements alone, serves."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from bundle import FUNCTIONS, ROOT, files
from support.world import APPROVER, KEYS, World

ENTRY_POINTS = ["capture", "check", "promote", "dead_letter", "sweep", "review"]
UNWANTED = [
    "google.cloud.scheduler_v1",
    "rich",
    "aiosmtpd",
    "croniter",
    "psutil",
    "pytest",
    "hypothesis",
    "penstock.local",
    "penstock.cli",
]
LARGEST_MEGABYTES = 1.5

IMPORT = """
import gc, json, sys, time
start = time.perf_counter()
import main
seconds = time.perf_counter() - start
told = {"seconds": seconds, "modules": sorted(sys.modules), "file": main.__file__}
print(json.dumps({**told, "collected_each": gc.get_threshold()[0], "frozen": gc.get_freeze_count()}))
"""


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(the bundle's folder, a Python that has the bundle's requirements and nothing else)."""
    folder = tmp_path_factory.mktemp("bundle")
    for name in files():
        (folder / "functions" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(FUNCTIONS / name, folder / "functions" / name)
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "venv", "-q", "--python", sys.executable, folder / "venv"], check=True)
    python = folder / "venv" / "bin" / "python"
    requirements = folder / "functions" / "requirements.txt"
    command = [uv, "pip", "install", "-q", "--python", python, "--require-hashes", "-r", requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "functions", python


def environment(**more: str) -> dict[str, str]:
    """Nothing of this machine's settings but the way to its programs."""
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **more}


def run(alone: tuple[Path, Path], code: str, **settings: str) -> subprocess.CompletedProcess[str]:
    folder, python = alone
    return subprocess.run(
        [python, "-c", code], cwd=folder, env=environment(**settings), capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def imported(alone: tuple[Path, Path]) -> dict[str, object]:
    """What importing main.py did, in a process of its own, the second time (the first one compiles)."""
    for _ in range(2):
        done = run(alone, IMPORT)
        assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_main_is_imported_from_the_bundle_alone(alone: tuple[Path, Path], imported: dict[str, object]) -> None:
    assert imported["file"] == str(alone[0] / "main.py")


def test_nothing_of_the_developers_machine_is_imported(imported: dict[str, object]) -> None:
    modules = imported["modules"]
    assert isinstance(modules, list)
    assert "penstock.entrypoints.review" in modules
    assert [name for name in modules if name in UNWANTED or name.startswith(tuple(f"{u}." for u in UNWANTED))] == []


def test_no_client_of_a_service_is_imported_before_it_is_used(imported: dict[str, object]) -> None:
    modules = imported["modules"]
    assert isinstance(modules, list)
    clients = ("google.cloud.firestore", "google.cloud.pubsub", "google.cloud.storage", "firebase_admin", "grpc")
    assert [name for name in modules if name.startswith(clients)] == []


def test_the_collector_looks_seldom_and_not_at_what_was_imported(imported: dict[str, object]) -> None:
    assert imported["collected_each"] == 50_000
    assert isinstance(imported["frozen"], int)
    assert imported["frozen"] > 10_000


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_entry_point_is_served_from_the_bundle_alone(alone: tuple[Path, Path], name: str) -> None:
    """Through the framework that serves it in production, without any setting: it answers and gives nothing away."""
    code = f"""
import functions_framework
client = functions_framework.create_app({name!r}, "main.py", "http").test_client()
answer = client.get("/fibre_network.fibreflow/no-such-link") if {name!r} == "review" else client.post("/", json={{}})
print(answer.status_code, answer.content_type)
"""
    done = run(alone, code)
    assert done.returncode == 0, done.stderr
    told = done.stdout.strip().splitlines()[-1]
    status, content_type = told.split(" ", 1)
    assert content_type.startswith("text/html" if name == "review" else "application/problem+json"), done.stdout
    assert status == ("500" if name == "review" else "401"), done.stdout
    assert "PENSTOCK_" not in told


@pytest.mark.emulator
def test_the_page_behind_a_mailed_link_is_served_from_the_bundle_alone(
    alone: tuple[Path, Path], firestore_emulator: str, request: pytest.FixtureRequest
) -> None:
    """With Google's client and the templates out of the bundle, on a batch that lies in Firestore."""
    from penstock import wiring
    from penstock.adapters.firestore import FirestoreStores

    stores = FirestoreStores(firestore_emulator)
    request.addfinalizer(stores.close)
    world = World(stores=stores)
    projects = {name: f"demo-{uuid.uuid4().hex[:20]}" for name in world.ports.project_ids}
    world.ports = replace(world.ports, project_ids=projects, now=wiring.clock)
    world.contexts = wiring.Contexts(world.ports, world.contexts.pipelines)
    (world.ctx,) = world.contexts.all()
    world.outside = world.ctx
    record = {"Pole Number": "LAW.P.A007", "Latitude": "-26.38", "Longitude": "27.81", "lst_mod_dt": "2026-03-01"}
    world.put(world.source, "onemap-records", [("P1", record)])
    world.run()
    settings = {f"PENSTOCK_PROJECT_{name.upper()}": id for name, id in projects.items()} | {
        "PENSTOCK_PEOPLE_FIBRE_APPROVERS": APPROVER,
        "PENSTOCK_KEYS": ",".join(f"{name}:{key.hex()}" for name, key in KEYS.items()),
        "PENSTOCK_BUCKET": "reports",
        "PENSTOCK_BASE_URL": world.ports.base_url,
        "PENSTOCK_SMTP_HOST": "localhost",
        "PENSTOCK_MAIL_FROM": "penstock@example.org",
        "GOOGLE_CLOUD_PROJECT": projects["fibreflow"],
        "FIRESTORE_EMULATOR_HOST": firestore_emulator,
    }
    code = f"""
import functions_framework
client = functions_framework.create_app("review", "main.py", "http").test_client()
answer = client.get("/{world.ctx.id}/{world.link()[0]}")
print(answer.status_code, "LAW.P.A007" in answer.text, 'name="code"' in answer.text)
"""
    done = run(alone, code, **settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "200 True True", done.stdout + done.stderr


def test_the_bundle_is_small(alone: tuple[Path, Path]) -> None:
    size = sum(path.stat().st_size for path in alone[0].rglob("*") if path.is_file())
    assert size < LARGEST_MEGABYTES * 1_000_000


def test_the_bundle_holds_what_it_needs_and_no_more() -> None:
    names = files()
    assert {"main.py", "requirements.txt", "penstock/web/static/penstock.css", "penstock/pipelines/fibre_network.yaml"} <= set(
        names
    )
    assert [name for name in names if name.startswith(("penstock/local", "penstock/cli")) or name.endswith(".pyc")] == []
    assert (ROOT / "infra" / "bundle.tf").is_file()
