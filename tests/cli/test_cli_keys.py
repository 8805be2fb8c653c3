"""The token keys are rotated as the runbook says, and by nothing else than the command that stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from penstock.core import keyring
from penstock.settings import read
from terminal import Terminal

RUNBOOK = (Path(__file__).parents[2] / "infra" / "README.md").read_text()
(ROTATE,) = re.findall(r"```sh\n(keys=.*?)```", RUNBOOK, re.S)
(MAKE,) = re.findall(r"`(penstock keys make \|.*?)`", RUNBOOK)
GCLOUD = """#!/bin/sh
case "$*" in
  "secrets versions access latest --secret=penstock-keys") cat "$SECRET" ;;
  "secrets create penstock-keys --data-file=-" | "secrets versions add penstock-keys --data-file=-") cat >"$SECRET" ;;
  *) echo "gcloud has no such command: $*" >&2; exit 2 ;;
esac
"""


def type_it(line: str, folder: Path) -> int:
    """Run a line of the runbook in a shell, with a secret that is a file."""
    (folder / "gcloud").write_text(GCLOUD)
    (folder / "gcloud").chmod(0o755)
    env = {**os.environ, "SECRET": str(folder / "secret"), "PATH": f"{folder}:{Path(sys.executable).parent}:/usr/bin:/bin"}
    return subprocess.run(["/bin/sh", "-c", line], env=env, check=False, capture_output=True, timeout=60).returncode


def test_the_lines_of_the_runbook_make_and_rotate_a_secret_that_the_functions_take(tmp_path: Path) -> None:
    assert type_it(MAKE, tmp_path) == 0
    made = (tmp_path / "secret").read_text()
    assert type_it(ROTATE, tmp_path) == 0
    settings = read({"PENSTOCK_KEYS": (tmp_path / "secret").read_text()})
    assert list(settings.keys) == ["k2", "k1"]
    assert settings.keys["k1"] == keyring.parse(made).keys["k1"] != settings.keys["k2"]
    assert list(settings.keys_until) == ["k1"]


@pytest.mark.parametrize("held", ["", "k1:secret"])
def test_a_secret_that_is_no_ring_stays_as_it_is(tmp_path: Path, held: str) -> None:
    (tmp_path / "secret").write_text(held)
    assert type_it(ROTATE, tmp_path) == 2
    assert (tmp_path / "secret").read_text() == held


def test_what_is_printed_is_the_ring_alone_and_the_rest_is_told_beside_it() -> None:
    type_ = Terminal(None)
    first = type_("keys", "make")
    again = type_("keys", "rotate", "--grace-days", "0", types=first.out)
    assert len(first.out.splitlines()) == len(again.out.splitlines()) == 1
    assert list(keyring.parse(again.out).keys) == ["k2", "k1"]
    assert "Links signed with `k1` work until" in again.err
    assert first.out.strip()[3:] not in again.err
    last = type_.json("keys", "rotate", types=again.out)
    assert (last.answer["signs"], last.answer["left_out"]) == ("k3", ["k1"])


def test_a_ring_that_is_none_is_refused_and_nothing_is_printed_for_the_secret() -> None:
    told = Terminal(None)("keys", "rotate", types="k1:secret")
    assert (told.code, told.out) == (2, "")
