"""The emulators are found wherever they may be, start on free ports, and go when they are told to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from penstock.core.errors import NotFound, Unavailable
from penstock.local import emulators, processes
from penstock.local.emulators import FIRESTORE, PUBSUB
from penstock.local.processes import Process, answers

NOTHING = {"PATH": "", "HOME": "/nonexistent", "JAVA_HOME": "", "FIREBASE_EMULATORS_PATH": ""}
VARIABLES = ("PENSTOCK_FIRESTORE_EMULATOR", "PENSTOCK_PUBSUB_EMULATOR", "FIRESTORE_EMULATOR_HOST", "PUBSUB_EMULATOR_HOST")


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing on it; its empty home."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in NOTHING.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("kind", "package"), [(FIRESTORE, "cloud-firestore-emulator"), (PUBSUB, "pubsub-emulator")])
def test_a_missing_emulator_is_named_with_the_commands_that_install_it(bare: Path, kind: emulators.Kind, package: str) -> None:
    with pytest.raises(NotFound) as caught:
        emulators.find_jar(kind)
    text = str(caught.value)
    assert kind.title in text
    assert f"gcloud components install {package}" in text
    assert f"apt-get install google-cloud-cli-{package.removeprefix('cloud-')}" in text
    assert f"firebase-tools setup:emulators:{kind.slug}" in text


def test_a_missing_java_is_named_with_the_command_that_installs_it(bare: Path) -> None:
    with pytest.raises(NotFound, match="apt-get install default-jre-headless"):
        emulators.find_java()


def test_the_firebase_cache_is_looked_into_and_its_newest_jar_taken(bare: Path) -> None:
    cache = bare / ".cache/firebase/emulators"
    (cache / "pubsub-emulator-0.8.14/pubsub-emulator/lib").mkdir(parents=True)
    for name in ("cloud-firestore-emulator-v1.19.7.jar", "cloud-firestore-emulator-v1.19.8.jar"):
        (cache / name).touch()
    (cache / "pubsub-emulator-0.8.14/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.14-all.jar").touch()
    assert emulators.find_jar(FIRESTORE).name == "cloud-firestore-emulator-v1.19.8.jar"
    assert emulators.find_jar(PUBSUB).name == "cloud-pubsub-emulator-0.8.14-all.jar"


def test_the_sdk_that_gcloud_lies_in_is_found_without_starting_gcloud(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sdk = bare / "sdk"
    for folder in ("bin", "lib/googlecloudsdk", "platform/cloud-firestore-emulator"):
        (sdk / folder).mkdir(parents=True)
    (sdk / "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar").touch()
    (sdk / "bin/gcloud").write_text("#!/bin/sh\nexit 1\n")  # started, it would answer nothing
    (sdk / "bin/gcloud").chmod(0o755)
    (bare / "bin").mkdir()
    (bare / "bin/gcloud").symlink_to(sdk / "bin/gcloud")
    monkeypatch.setenv("PATH", str(bare / "bin"))
    assert emulators.find_jar(FIRESTORE).is_relative_to(sdk)


def test_a_gcloud_that_is_a_wrapper_is_asked_for_its_sdk(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "sdk/platform/cloud-firestore-emulator").mkdir(parents=True)
    (bare / "sdk/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar").touch()
    (bare / "bin").mkdir()
    (bare / "bin/gcloud").write_text(f"#!/bin/sh\necho {bare}/sdk\n")
    (bare / "bin/gcloud").chmod(0o755)
    monkeypatch.setenv("PATH", str(bare / "bin"))
    assert emulators.find_jar(FIRESTORE) == bare / "sdk/platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"


def test_an_sdk_that_was_installed_but_is_not_on_the_path_is_found(bare: Path) -> None:
    jar = bare / "google-cloud-sdk/platform/pubsub-emulator/lib/cloud-pubsub-emulator-0.8.20-all.jar"
    jar.parent.mkdir(parents=True)
    jar.touch()
    assert emulators.find_jar(PUBSUB) == jar


def test_a_named_emulator_that_is_not_there_is_an_error_and_not_a_fallback(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PENSTOCK_FIRESTORE_EMULATOR", str(bare / "gone.jar"))
    with pytest.raises(NotFound, match="PENSTOCK_FIRESTORE_EMULATOR"):
        emulators.find_jar(FIRESTORE)


@pytest.mark.emulator
def test_a_running_emulator_is_reused_and_left_running(
    firestore_emulator: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    found = emulators.started_or_reused(FIRESTORE, tmp_path)
    found.stop()
    assert (found.address, found.process) == (firestore_emulator, None)
    assert answers(f"http://{firestore_emulator}/")


def test_an_address_where_nothing_answers_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{processes.free_port()}")
    with pytest.raises(Unavailable, match="unset FIRESTORE_EMULATOR_HOST"):
        emulators.started_or_reused(FIRESTORE, tmp_path)


@pytest.mark.emulator
@pytest.mark.parametrize("kind", [FIRESTORE, PUBSUB])
def test_an_emulator_starts_on_a_free_port_and_stops_with_all_its_processes(kind: emulators.Kind, tmp_path: Path) -> None:
    emulator = emulators.start(kind, tmp_path)
    assert emulator.process is not None
    assert answers(f"http://{emulator.address}/")
    family = [psutil.Process(emulator.process.pid), *psutil.Process(emulator.process.pid).children(recursive=True)]
    emulator.stop()
    assert not answers(f"http://{emulator.address}/")
    assert not psutil.wait_procs(family, timeout=5)[1]
    assert (tmp_path / f"{kind.slug}-emulator.log").stat().st_size > 0


@pytest.mark.emulator
def test_a_port_that_is_taken_is_an_error_and_not_somebody_elses_answer(firestore_emulator: str, tmp_path: Path) -> None:
    taken = int(firestore_emulator.rpartition(":")[2])
    with pytest.raises(Unavailable, match=f"port {taken}: another program is there"):
        emulators.start(PUBSUB, tmp_path, port=taken)


def test_an_emulator_that_cannot_start_shows_the_end_of_its_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "broken.jar").touch()
    monkeypatch.setenv("PENSTOCK_FIRESTORE_EMULATOR", str(tmp_path / "broken.jar"))
    with pytest.raises(Unavailable, match=r"(?s)Firestore emulator: ended with exit code 1.*CloudFirestore"):
        emulators.start(FIRESTORE, tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel ends a child with its parent")
def test_a_process_goes_when_its_starter_is_killed(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from penstock.local.processes import Process;"
        "p = Process('sleeper', ['sleep', '600'], Path(sys.argv[1]) / 'log'); print(p.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        sleeper = int(starter.stdout.readline())
        assert psutil.pid_exists(sleeper)
        starter.kill()
    assert _gone(sleeper)


def test_a_process_that_ignores_sigterm_is_made_to_end(tmp_path: Path) -> None:
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
    process = Process("stubborn", [sys.executable, "-c", stubborn], tmp_path / "log")
    process.wait_until(lambda: "up" in process.tail())
    process.stop(grace=0.3)
    assert not process.running


def test_a_process_that_ends_early_is_reported_with_its_exit_code_and_log(tmp_path: Path) -> None:
    process = Process("breaker", [sys.executable, "-c", "print('no such rule'); raise SystemExit(7)"], tmp_path / "log")
    with pytest.raises(Unavailable, match=r"(?s)breaker.*exit code 7.*no such rule"):
        process.wait_until(lambda: False)


def test_killing_a_process_takes_its_children_along(tmp_path: Path) -> None:
    process = Process("family", ["sh", "-c", "sleep 600 & echo child $!; wait"], tmp_path / "log")
    process.wait_until(lambda: "child" in process.tail())
    child = int(process.tail().split()[-1])
    process.kill()
    assert _gone(child)
    assert process._popen.returncode == -signal.SIGKILL


def _gone(pid: int) -> bool:
    """Whether the process is gone within five seconds; a zombie that nobody has collected yet counts as gone."""
    for _ in range(100):
        if not os.path.exists(f"/proc/{pid}") or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False
