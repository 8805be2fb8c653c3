"""Small faults put into what decides, promotes and takes back, one at a time: the tests have to notice.

`scripts/prove mutation` tries all of them, with a count so many, drawn the same way every time. Every test runs once, watched;
after that each fault runs in a process forked from the one that has all tests loaded, with those tests alone that pass through
its line, the fastest first, until one fails. What survives and changes nothing that anybody could see is listed in
`mutation.txt` beside this, with the reason; any other survivor is a violation, and so is a score below 90 %."""

from __future__ import annotations

import os
import random
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import hypothesis
import pytest
from support.mutants import Mutant, mutants, put_in

from proofs.proof import Proof

MODULES = [
    *(
        f"penstock.core.{name}"
        for name in ("batch", "choices", "decisions", "harmless", "placing", "promotion", "replanting", "returning", "tokens")
    ),
    *(f"penstock.use_cases.{name}" for name in ("decide", "promote", "rollback")),
]
CORE = [
    "batch",
    "choices",
    "decisions",
    "dependents",
    "harmless",
    "placing",
    "promotion",
    "replanting",
    "returning",
    "reversal",
    "tokens",
]
USE_CASES = [
    *(
        "bill",
        "braking",
        "decide",
        "deletes",
        "finish",
        "following",
        "frozen",
        "promote",
        "resume",
        "reviewing",
        "rollback",
        "sweep",
    ),
    *("tree_bill", "tree_rollback", "unasked", "units_that_go", "units_that_return", "units_that_stay"),
]
TESTS = [
    *(f"core/test_{name}.py" for name in CORE),
    *(f"use_cases/test_{name}.py" for name in USE_CASES),
    "docs/test_architecture.py",
]
HERE = Path(__file__).parent
EXPLAINED = HERE / "mutation.txt"
LEAST = 90  # % of the mutants
SECONDS = 5  # of processor time beyond thrice what a test takes without a mutant: longer, and it never ends
MEMORY = 6 * 2**30
SEED = 20_250_101
SURVIVED, NOTICED, NOT_PUT_IN = 0, 1, 2


def explained() -> dict[str, str]:
    """The mutants that may survive → why. One to a line, `name  # reason`."""
    lines = [line for line in EXPLAINED.read_text().splitlines() if line and not line.startswith("#")]
    return {name.strip(): why.strip() for name, _, why in (line.rpartition("  # ") for line in lines)}


def chosen(count: int | None) -> list[Mutant]:
    every = [mutant for module in MODULES for mutant in mutants(module)]
    if count is None or count >= len(every):
        return every
    return random.Random(SEED).sample(every, count)


class Runner:
    """A plugin that runs the collected tests once, and then again for each mutant."""

    def __init__(self, wanted: Sequence[Mutant]) -> None:
        self.wanted = wanted
        self.survivors: list[Mutant] = []
        self.broken: list[str] = []  # tests that fail without any mutant
        self.failed = False
        self.watched = {str(sys.modules[name].__file__) for name in MODULES}
        self.passed: dict[tuple[str, int], set[int]] = defaultdict(set)  # (file, line) → numbers of tests
        self.took: dict[int, float] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.failed = self.failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        hypothesis.settings.register_profile(
            "mutation",
            derandomize=True,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        )
        hypothesis.settings.load_profile("mutation")
        for number, item in enumerate(session.items):
            self._watch(number, item)
        if self.broken:
            return True
        for n, mutant in enumerate(self.wanted):
            if not self._is_noticed(mutant, session.items):
                self.survivors.append(mutant)
                print(f"{n + 1} of {len(self.wanted)}, survives: {mutant.name}", file=sys.stderr, flush=True)
        return True

    def _watch(self, number: int, item: pytest.Item) -> None:
        def inside(frame: FrameType, event: str, arg: Any) -> Any:
            self.passed[frame.f_code.co_filename, frame.f_lineno].add(number)
            return inside

        def entered(frame: FrameType, event: str, arg: Any) -> Any:
            return inside if frame.f_code.co_filename in self.watched else None

        started = time.process_time()
        sys.settrace(entered)
        try:
            self._run(item)
        finally:
            sys.settrace(None)
        self.took[number] = time.process_time() - started
        if self.failed:
            self.broken.append(item.nodeid)
            self.failed = False

    def _run(self, item: pytest.Item) -> None:
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)

    def tests_of(self, mutant: Mutant) -> list[int]:
        """Those that pass through its lines, fastest first; for what is run at import, all."""
        file = str(sys.modules[mutant.module].__file__)
        through = set().union(*(self.passed[file, line] for line in mutant.lines)) if mutant.lines else set(self.took)
        return sorted(through, key=self.took.__getitem__)

    def _is_noticed(self, mutant: Mutant, items: Sequence[pytest.Item]) -> bool:
        pid = os.fork()
        if pid == 0:
            told = NOT_PUT_IN
            try:
                resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
                put_in(mutant)
                told = NOTICED
                for number in self.tests_of(mutant):
                    limit = int(time.process_time() + 3 * self.took[number]) + SECONDS
                    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.RLIM_INFINITY))
                    self._run(items[number])
                    if self.failed:
                        break
                told = NOTICED if self.failed else SURVIVED
            finally:
                os._exit(told)
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert ended != NOT_PUT_IN, mutant.name
        return ended != SURVIVED


def prove(count: int | None = None) -> Proof:
    os.nice(5)
    wanted, known = chosen(count), explained()
    runner = Runner(wanted)
    options = [
        "-p",
        "no:terminal",
        "-p",
        "no:cacheprovider",
        "-o",
        "timeout=0",
        "-o",
        "addopts=",
        "-W",
        "ignore::pytest.PytestAssertRewriteWarning",
    ]
    ended = pytest.main([*options, *(str(HERE.parent / test) for test in TESTS)], plugins=[runner])
    if ended not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED) or runner.broken:
        return Proof({"mutants": len(wanted)}, [f"fails without any mutant: {test}" for test in runner.broken] or [f"{ended!r}"])
    left = runner.survivors
    new = [m.name for m in left if m.name not in known]
    old = [m.name for m in wanted if m.name in known and m not in left]
    score = 100 - 100 * len(left) / max(1, len(wanted))
    violations = [f"survives and is not explained: {name}" for name in new]
    violations += [f"is explained and does not survive: {name}" for name in old]
    violations += [f"score {score:.1f} %, below {LEAST} %"] if score < LEAST else []
    for module in MODULES:
        all_of, left_of = (sum(m.module == module for m in some) for some in (wanted, left))
        if all_of:
            print(f"{module}: {all_of} mutants, {all_of - left_of} killed, {100 - 100 * left_of / all_of:.1f} %", file=sys.stderr)
    counted = {"mutants": len(wanted), "killed": len(wanted) - len(left), "survivors": len(left), "% score": int(score)}
    return Proof(counted, violations)
