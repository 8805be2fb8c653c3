"""A person on a bare machine is told what is missing and what to type; one who has everything is told nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from penstock.local import needs


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine whose PATH and home hold nothing."""
    for name in ("PENSTOCK_FIRESTORE_EMULATOR", "PENSTOCK_PUBSUB_EMULATOR", "FIREBASE_EMULATORS_PATH", "JAVA_HOME", "CHROMIUM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def test_all_that_is_missing_is_said_at_once_with_commands_to_paste(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert needs.main() == 2
    said = capsys.readouterr().err
    for name in ("Java", "Firestore emulator", "Pub/Sub emulator", "Chromium"):
        assert f"{name}: is not on this machine" in said
    assert "sudo apt-get update && sudo apt-get install -y default-jre-headless chromium curl\n" in said
    assert "~/google-cloud-sdk/bin/gcloud components install --quiet cloud-firestore-emulator pubsub-emulator\n" in said


def test_only_what_is_missing_is_installed(bare: Path) -> None:
    assert needs.script({"chromium"}) == "  sudo apt-get update && sudo apt-get install -y chromium"


@pytest.mark.emulator
def test_nothing_is_said_where_everything_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert needs.main() == 0
    assert capsys.readouterr() == ("", "")


def test_the_commands_are_shell_that_parses(bare: Path) -> None:
    shell = shutil.which("sh", path=os.defpath)
    assert shell is not None
    subprocess.run([shell, "-n"], input=needs.script(set(needs.NEEDS)), text=True, check=True)


def test_the_module_ends_with_two_so_that_a_script_stops(bare: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "penstock.local.needs"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "all of it at once" in done.stderr
