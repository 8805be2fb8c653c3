"""The layers hold, and the check that says so can fail."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "functions" / "penstock"
CLOCKS = {"now", "today", "utcnow", "time", "time_ns", "monotonic"}
OUTSIDE = {"open", "print", "input", "__import__", "eval", "exec"}


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache", "--config", str(ROOT / ".importlinter")]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    shutil.copytree(PACKAGE, tmp_path / "penstock", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_every_import_keeps_to_its_layer(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("core/values.py", "import os", "The core decides and touches nothing"),
        ("core/values.py", "import penstock.pipelines.schema", "Each layer knows those below it alone"),
        ("use_cases/check.py", "import penstock.adapters.memory", "Each layer knows those below it alone"),
        ("use_cases/check.py", "from google.cloud import firestore", "Use cases reach the outside by their ports alone"),
        ("web/pages.py", "import penstock.wiring", "Each layer knows those below it alone"),
        ("entrypoints/workers.py", "import penstock.local.emulators", "What is deployed does not know the developer's machine"),
        ("readers/geography.py", "from google.cloud import firestore", "The readers' library brings no service"),
        ("readers/geography.py", "import penstock.wiring", "Each layer knows those below it alone"),
        ("newcomer.py", "", "Each layer knows those below it alone"),
    ],
)
def test_an_import_that_breaks_out_is_found(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / "penstock" / module
    path.write_text((path.read_text() if path.exists() else "") + f"\n{line}\n")
    done = lint(copy)
    assert done.returncode == 1
    assert contract in " ".join(done.stdout.partition("Broken contracts")[2].split())


def reaching_out(source: str, *, ports: bool) -> list[str]:
    """Calls that ask a clock or touch the machine without any import; with `ports`, those of `ports` are none."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name)) if name in OUTSIDE:
                found.append(name)
            case ast.Call(func=ast.Attribute(attr=name, value=value)) if name in CLOCKS:
                if not (ports and "ports" in (getattr(value, "attr", ""), getattr(value, "id", ""))):
                    found.append(name)
    return found


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda path: path.stem)
def test_the_core_asks_no_clock_and_opens_nothing(path: Path) -> None:
    assert reaching_out(path.read_text(), ports=False) == []


@pytest.mark.parametrize("path", sorted((PACKAGE / "use_cases").rglob("*.py")), ids=lambda path: path.stem)
def test_use_cases_ask_the_time_of_their_ports(path: Path) -> None:
    assert reaching_out(path.read_text(), ports=True) == []


@pytest.mark.parametrize("source", ["dt.datetime.now(dt.UTC)", "time.time()", "open('x')", "print(1)", "date.today()"])
def test_asking_the_machine_is_noticed(source: str) -> None:
    assert len(reaching_out(source, ports=True)) == 1
    assert reaching_out("ctx.ports.now()", ports=True) == []
