"""The local stack as a daemon: it outlives the shell that started it and writes down what runs where.

`up`, `down`, `restart`, `kill` and `status` are what the command line calls. In the folder: `state.json` while it runs,
`logs/`, and the data."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import cattrs
import psutil

from penstock.core.errors import PenstockError, Refused, Unavailable
from penstock.local.http_server import Handler, Server
from penstock.local.processes import tail
from penstock.local.stack import Service, Stack
from penstock.local.stack_spec import StackSpec

START_SECONDS = 180.0
STOP_SECONDS = 120.0
_FOLDER = "PENSTOCK_LOCAL"
_OURS = {"X-Penstock-Local": "1"}  # a web page in the developer's browser cannot send this header across origins


@dataclass(frozen=True, slots=True)
class State:
    """A running stack, as `state.json` has it. `processes` are (pid, when it was created, seconds since 1970)."""

    supervisor: tuple[int, float]
    processes: tuple[tuple[int, float], ...]
    control: str
    services: tuple[Service, ...]
    env: dict[str, str]


def default_folder() -> Path:
    """PENSTOCK_LOCAL, or `.local` where the command runs."""
    return Path(os.environ.get(_FOLDER) or ".local").resolve()


def up(folder: Path, spec: StackSpec) -> State:
    """Start the stack, unless it runs already, and return when everything answers. Raises what the stack raised."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if running := read(folder):
            return running
        _end_leftovers(folder)
        (folder / "spec.json").write_text(json.dumps(cattrs.unstructure(spec), default=str, indent=2))
        log = folder / "logs" / "supervisor.log"
        log.parent.mkdir(exist_ok=True)
        failure = folder / "failure.txt"
        failure.unlink(missing_ok=True)
        command = [sys.executable, "-m", "penstock.local.supervisor", str(folder)]
        with log.open("ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while (state := read(folder)) is None:
            if process.poll() is not None:
                said = failure.read_text() if failure.exists() else f"Its log is {log} and ends with:\n{tail(log)}"
                raise Unavailable("did not start", subject="local stack", remedy=said)
            if time.monotonic() > deadline:
                process.terminate()
                raise Unavailable(
                    f"was not up after {START_SECONDS:.0f} seconds", subject="local stack", remedy=f"See {log.parent}."
                )
            time.sleep(0.05)
        process.returncode = 0  # it goes on without us; without this Python warns that nobody waits for it
        return state


def down(folder: Path) -> bool:
    """End the stack of this folder and nothing else; False when none ran."""
    if not folder.is_dir():
        return False
    with _alone(folder):
        state = read(folder)
        if state is None:
            return _end_leftovers(folder)
        supervisor = psutil.Process(state.supervisor[0])
        supervisor.terminate()
        if psutil.wait_procs([supervisor], timeout=STOP_SECONDS)[1]:
            supervisor.kill()
        _end_leftovers(folder)
        return True


def status(folder: Path) -> tuple[Service, ...]:
    """Every part of the running stack and whether it is up now; () when none runs."""
    state = read(folder)
    return cattrs.structure(_ask(state, "services"), tuple[Service, ...]) if state else ()


def restart(folder: Path, function: str) -> None:
    """End one function and start it anew; returns when it answers."""
    _ask(_running(folder), f"restart/{function}")


def kill(folder: Path, function: str) -> None:
    """End one function at once, as a crash does. It stays down until `restart`."""
    _ask(_running(folder), f"kill/{function}")


def token(folder: Path, email: str) -> str:
    """An ID token of this address for the review service, as Google would give it to whoever signed in; good for an hour."""
    found: str = _ask(_running(folder), f"token/{quote(email, safe='')}")
    return found


def read(folder: Path) -> State | None:
    """The state of the stack that runs in this folder; None when none does."""
    path = folder / "state.json"
    if not path.exists():
        return None
    state = cattrs.structure(json.loads(path.read_text()), State)
    return state if _is(state.supervisor) else None


def _running(folder: Path) -> State:
    if state := read(folder):
        return state
    raise Refused("does not run", subject=f"the local stack in {folder}", remedy="Start it: penstock local up.")


def _ask(state: State, what: str) -> Any:
    request = urllib.request.Request(f"{state.control}/{what}", b"", _OURS, method="POST")  # noqa: S310 - on the loopback
    try:
        with urllib.request.urlopen(request, timeout=STOP_SECONDS) as answer:  # noqa: S310 - as above
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            said = json.loads(error.read())
        raise Unavailable(said["what"], subject=said["subject"], remedy=said["remedy"]) from error


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One `up` or `down` at a time; the second waits for the first."""
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _end_leftovers(folder: Path) -> bool:
    """End the recorded processes that outlived their supervisor, and only those: a pid alone may be somebody else's now."""
    path = folder / "state.json"
    if not path.exists():
        return False
    state = cattrs.structure(json.loads(path.read_text()), State)
    left = [psutil.Process(pid) for pid, created in state.processes if _is((pid, created))]
    for process in left:
        process.terminate()
    for process in psutil.wait_procs(left, timeout=10)[1]:
        process.kill()
    path.unlink()
    return bool(left)


def _is(recorded: tuple[int, float]) -> bool:
    """Whether the process of this pid is still the one that was written down."""
    try:
        process = psutil.Process(recorded[0])
        return process.create_time() == recorded[1] and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# -- the daemon itself


def supervise(folder: Path) -> int:
    """Run the stack that `spec.json` describes until SIGTERM or SIGINT."""
    stack = Stack(folder, cattrs.structure(json.loads((folder / "spec.json").read_text()), StackSpec))
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    try:
        stack.up()
    except PenstockError as error:
        (folder / "failure.txt").write_text(str(error))
        return 1
    control = Server(_control(stack, folder))
    _write(folder, stack, control.url)
    end.wait()
    stack.down()
    control.stop()
    (folder / "state.json").unlink(missing_ok=True)
    return 0


def _write(folder: Path, stack: Stack, control: str) -> None:
    services = tuple(stack.services())
    processes = tuple((s.pid, psutil.Process(s.pid).create_time()) for s in services if s.pid)
    me = (os.getpid(), psutil.Process().create_time())
    partial = folder / "state.partial"
    partial.write_text(json.dumps(asdict(State(me, processes, control, services, stack.env)), indent=2))
    partial.rename(folder / "state.json")


def _control(stack: Stack, folder: Path) -> type[Handler]:
    class Control(Handler):
        def do_POST(self) -> None:
            self.body()
            verb, _, name = self.path.strip("/").partition("/")
            if not self.headers.get("X-Penstock-Local"):
                self.answer_json({"what": "is not for web pages", "subject": "this address", "remedy": ""}, 403)
                return
            try:
                if verb == "token":
                    self.answer_json(stack.token(unquote(name)))
                    return
                if verb in ("restart", "kill"):
                    getattr(stack, verb)(name)
                    if verb == "restart":
                        _write(folder, stack, f"http://{self.headers['Host']}")
                self.answer_json([asdict(service) for service in stack.services()])
            except PenstockError as error:
                self.answer_json({"what": error.what, "subject": error.subject, "remedy": error.remedy}, 409)

    return Control


if __name__ == "__main__":
    sys.exit(supervise(Path(sys.argv[1])))
