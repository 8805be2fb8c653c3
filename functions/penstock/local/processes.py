"""Processes that belong to the local stack: each in its own group, with its own log, gone when its starter is gone."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from penstock.core.errors import Unavailable

HOST = "127.0.0.1"

# Runs in the child just before the real program takes its place: on Linux the kernel then ends the child with the thread that
# started it. A launcher and not `preexec_fn`, which may deadlock where the starter has threads.
_LAUNCH = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        sys.exit("the starter is gone")
os.execvp(sys.argv[2], sys.argv[2:])
"""

# One thread starts every process and lives as long as the program: the kernel's signal hangs on the starting *thread*, and a
# worker of some pool may end long before the program does.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="penstock-starter")


def free_port() -> int:
    """A TCP port of the loopback that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class Process:
    """A started program. `name` is for people; everything it prints goes to `log`. It heads its own process group."""

    def __init__(self, name: str, command: Sequence[str], log: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        launch = [sys.executable, "-SEc", _LAUNCH, str(os.getpid()), *command]
        with log.open("ab") as out:
            self._popen = _starter.submit(
                subprocess.Popen, launch, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True
            ).result()
        self.pid = self._popen.pid
        atexit.register(self.stop)

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    def stop(self, grace: float = 10.0) -> None:
        """Ask the group to end, and after `grace` seconds make it. Safe to call twice."""
        atexit.unregister(self.stop)
        if self.running:
            stop_group(self.pid, grace, lambda: not self.running)
            self._popen.wait()

    def kill(self) -> None:
        """End the group at once, as a crash does."""
        _signal(self.pid, signal.SIGKILL)
        self._popen.wait()

    def tail(self, lines: int = 15) -> str:
        """The end of what it printed."""
        return tail(self.log, lines)

    def wait_until(self, ready: Callable[[], bool], seconds: float = 60.0) -> None:
        """Return as soon as `ready()`; raises `Unavailable` with the end of its log when it ended or is not ready in time."""
        deadline = time.monotonic() + seconds
        while not ready():
            if not self.running:
                raise self._unready(f"ended with exit code {self._popen.returncode} before it was ready")
            if time.monotonic() > deadline:
                raise self._unready(f"was not ready after {seconds:.0f} seconds")
            time.sleep(0.05)

    def _unready(self, what: str) -> Unavailable:
        remedy = f"Its log is {self.log} and ends with:\n{self.tail() or '(nothing)'}"
        return Unavailable(what, subject=self.name, remedy=remedy)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file; "" where there is none."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


def stop_group(pid: int, grace: float, gone: Callable[[], bool]) -> None:
    """End a process group: SIGTERM, and SIGKILL when it is not `gone()` within `grace` seconds."""
    _signal(pid, signal.SIGTERM)
    deadline = time.monotonic() + grace
    while not gone():
        if time.monotonic() > deadline:
            _signal(pid, signal.SIGKILL)
            return
        time.sleep(0.02)


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, number)


def answers(url: str) -> bool:
    """Whether an HTTP server answers at this URL, whatever its status."""
    try:
        with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - only loopback addresses come here
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def listening(port: int) -> bool:
    """Whether something accepts connections on this port of the loopback."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0
