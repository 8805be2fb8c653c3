"""Every error that a person may meet says what to do next, wherever it is raised."""

from __future__ import annotations

import ast
from pathlib import Path

import penstock
import pytest
from penstock.core import errors
from penstock.core.errors import PenstockError

ROOT = Path(penstock.__file__ or next(iter(penstock.__path__)) + "/x").parent
KINDS = {name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, PenstockError)}
KINDS |= {"Tampered", "LostRace"}  # declared where they belong, with the same arguments
PASSED_ON = {"pipelines/schema.py": 1, "cli/loading.py": 2}  # made to be told as a part of another, which has a remedy


def made(tree: ast.AST) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [c for c in calls if (c.func.id if isinstance(c.func, ast.Name) else getattr(c.func, "attr", "")) in KINDS]


def silent(source: str) -> list[int]:
    """The lines on which an error is made without a remedy."""

    def empty(value: ast.expr) -> bool:
        return isinstance(value, ast.Constant) and not value.value

    def says(call: ast.Call) -> bool:
        return any(given.arg is None or (given.arg == "remedy" and not empty(given.value)) for given in call.keywords)

    return [call.lineno for call in made(ast.parse(source)) if not says(call)]


@pytest.mark.parametrize("path", sorted(ROOT.rglob("*.py")), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_error_that_is_made_has_a_remedy(path: Path) -> None:
    assert len(silent(path.read_text())) == PASSED_ON.get(str(path.relative_to(ROOT)), 0)


def test_the_check_itself_sees_an_error_without_one() -> None:
    assert silent("raise Refused('is paused', subject='x')") == [1]
    assert silent("raise Refused('is paused', subject='x', remedy='')") == [1]
    assert silent("raise errors.Refused('is paused')") == [1]
    assert silent("raise Refused('is paused', remedy='Resume it.')") == []


def test_an_error_reads_as_one_sentence_of_subject_cause_and_remedy() -> None:
    told = errors.Refused("is paused", subject="p.t", remedy="Resume it.")
    assert str(told) == "p.t: is paused Resume it."
    assert (told.what, told.subject, told.remedy) == ("is paused", "p.t", "Resume it.")
    assert len({str(path) for path in ROOT.rglob("*.py")}) > 50
