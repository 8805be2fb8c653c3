"""A fault in what decides, promotes and takes back is noticed by its tests. Here that they can be told from one another;
`scripts/prove mutation` tries all of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from proofs import mutation

EVERY = {mutant.name for mutant in mutation.chosen(None)}


def test_each_mutant_has_a_name_of_its_own() -> None:
    assert len(EVERY) == len(mutation.chosen(None)) > 900
    assert {name.partition(" ")[0] for name in EVERY} == {name.removeprefix("penstock.") for name in mutation.MODULES}


def test_what_may_survive_is_there_and_has_a_reason() -> None:
    assert all(mutation.explained().values())
    assert set(mutation.explained()) <= EVERY


def test_a_sample_is_the_same_every_time() -> None:
    assert [m.name for m in mutation.chosen(20)] == [m.name for m in mutation.chosen(20)]
    assert len(mutation.chosen(20)) == 20


def run(code: str) -> str:
    """In a process of its own, which it is to change."""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    ended = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True, timeout=120)
    return ended.stdout


def test_each_mutant_can_be_put_in() -> None:
    code = (
        "from proofs import mutation; from support.mutants import put_in; print(len([put_in(m) for m in mutation.chosen(None)]))"
    )
    assert int(run(code)) == len(EVERY)


def tried(tests: str) -> str:
    return run(
        "from proofs import mutation; mutation.MODULES = ['penstock.core.tokens']; "
        f"mutation.TESTS = ['{tests}']; proof = mutation.prove(20); print(proof.line('mutation')); print(proof.violations)"
    )


@pytest.mark.parametrize(("tests", "red"), [("core/test_tokens.py", False), ("core/test_errors.py", True)])
def test_the_tests_of_a_module_notice_what_others_do_not(tests: str, red: bool) -> None:
    told = tried(tests)
    assert told.startswith("mutation: 20 mutants")
    assert ("score 0.0 %, below 90 %" in told) is red
    assert ("0 killed, 20 survivors" in told) is red
