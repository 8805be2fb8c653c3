"""The whole of Penstock on one machine: Google's emulators, storage, mailbox, scheduler, token issuer, push gateway, and every
function as a process of its own. `Stack` runs in the calling process; `supervisor` runs it as a daemon.

Ports are chosen before anything starts and remembered in the folder, so everybody knows everybody's address, everything
starts at once, and links in yesterday's mails still work."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from penstock.core.errors import NotFound
from penstock.local import emulators
from penstock.local.emulators import FIRESTORE, PUBSUB
from penstock.local.gateway import Gateway, Route
from penstock.local.identity import Issuer
from penstock.local.mailbox import Mailbox
from penstock.local.processes import HOST, Process, answers, free_port, listening
from penstock.local.scheduler import Scheduler
from penstock.local.stack_spec import FunctionSpec, StackSpec, filled
from penstock.local.stack_topics import make_schedules, make_topics

SERVICES = ("firestore", "pubsub", "storage", "smtp", "mailbox", "scheduler", "certs", "gateway")


@dataclass(frozen=True, slots=True)
class Service:
    """One part of a running stack. `address` is a URL where a browser or client can use one, else host:port; `pid` is None
    for parts that run inside the stack's own process."""

    name: str
    address: str
    healthy: bool
    pid: int | None = None
    log: str = ""


class Stack:
    """A stack in `folder`. `up` returns when everything answers; `down` ends what it started. Also a context manager."""

    def __init__(self, folder: Path, spec: StackSpec) -> None:
        self.folder, self.spec = folder, spec
        folder.mkdir(parents=True, exist_ok=True)
        self.ports = _ports(folder, spec)
        self.facts = self._facts()
        self._processes: dict[str, Process] = {}
        self._inside: dict[str, Any] = {}

    # -- the whole

    def up(self) -> None:
        """Start everything. Raises the first error, with the end of the log of what failed, after ending the rest."""
        try:
            with ThreadPoolExecutor() as pool:
                steps = [pool.submit(step) for step in (self._start_firestore, self._start_pubsub, self._start_storage)]
                self._start_inside()
                steps += [pool.submit(self._start_function, function) for function in self.spec.functions]
                for step in steps:
                    step.result()
            scheduler = self._inside["scheduler"]
            make_topics(self.address("pubsub"), self._inside["gateway"].url, self.spec)
            make_schedules(scheduler.address, self.spec, self.facts)
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End everything; what `keep` names is written to the folder first."""
        if "firestore" in self._processes and self._processes["firestore"].running:
            for project, database in self.spec.keep:
                emulators.export_firestore(self.address("firestore"), project, database, self._kept(project, database))
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda process: process.stop(), self._processes.values()))
        for service in self._inside.values():
            service.stop()
        self._processes.clear()
        self._inside.clear()

    def __enter__(self) -> Stack:
        self.up()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.down()

    # -- what there is

    def address(self, name: str) -> str:
        return f"{HOST}:{self.ports[name]}"

    def url(self, function: str) -> str:
        return f"http://{self.address(function)}"

    @property
    def env(self) -> dict[str, str]:
        """What a program needs in its environment to use the stack as the functions do (without any one's `audience`)."""
        return self._emulator_env() | filled(self.spec.env, self.facts | {"audience": ""})

    def token(self, email: str) -> str:
        """An ID token of this address for the review service, as Google would give it to whoever signed in; good for an hour."""
        issuer: Issuer = self._inside["certs"]
        return issuer.mint(self.url("review"), email)

    def services(self) -> list[Service]:
        """Everything by name, and whether it is up at this moment."""
        found = []
        for name in (*SERVICES, *(function.name for function in self.spec.functions)):
            plain = name in ("firestore", "pubsub", "smtp", "scheduler")
            process = self._processes.get(name)
            healthy = listening(self.ports[name]) and (process is None or process.running)
            address = self.address(name) if plain else f"http://{self.address(name)}"
            found.append(Service(name, address, healthy, process.pid if process else None, str(process.log) if process else ""))
        return found

    # -- one function

    def kill(self, name: str) -> None:
        """End a function's processes at once, as a crash does (SIGKILL)."""
        self._process(name).kill()

    def restart(self, name: str) -> None:
        """End a function, if it still runs, and start it anew on the same port; returns when it answers."""
        self._process(name).stop()
        self._start_function(next(function for function in self.spec.functions if function.name == name))

    def _process(self, name: str) -> Process:
        known = [function.name for function in self.spec.functions]
        if name not in known:
            raise NotFound("is no function of this stack", subject=name, remedy=f"There are: {', '.join(known)}.")
        return self._processes[name]

    # -- starting

    def _start_firestore(self) -> None:
        emulator = emulators.start(FIRESTORE, self._logs, port=self.ports["firestore"])
        self._keep(FIRESTORE.slug, emulator.process)
        for project, database in self.spec.keep:
            emulators.import_firestore(emulator.address, project, database, self._kept(project, database))

    def _start_pubsub(self) -> None:
        self._keep(PUBSUB.slug, emulators.start(PUBSUB, self._logs, port=self.ports["pubsub"]).process)

    def _start_storage(self) -> None:
        where = (f"--port={self.ports['storage']}", f"--folder={self.folder / 'storage'}")
        command = [sys.executable, "-m", "penstock.local.storage", *where, self.spec.bucket]
        self._run("storage", command, None, lambda: answers(self.facts["storage"]))

    def _start_inside(self) -> None:
        port = self.ports
        issuer = self._inside["certs"] = Issuer(port["certs"])
        self._inside["mailbox"] = Mailbox(self.folder / "mails", smtp_port=port["smtp"], web_port=port["mailbox"])
        self._inside["scheduler"] = Scheduler(issuer.mint, port["scheduler"])
        routes = {
            topic.name: Route(self.url(topic.push_to) + topic.path, self.url(topic.push_to), self.spec.account)
            for topic in self.spec.topics
            if topic.push_to
        }
        self._inside["gateway"] = Gateway(routes, issuer.mint, port["gateway"])

    def _start_function(self, function: FunctionSpec) -> None:
        facts = self.facts | {"audience": self.url(function.name)}
        env = {**os.environ, **self._emulator_env(), **filled({**self.spec.env, **function.env}, facts)}
        env |= {"K_SERVICE": function.name, "FUNCTION_TARGET": function.target, "PYTHONUNBUFFERED": "1"}
        options = {"target": function.target, "source": self.spec.source, "signature-type": function.signature}
        options |= {"host": HOST, "port": self.ports[function.name]}
        command = [sys.executable, "-m", "functions_framework", *(f"--{name}={value}" for name, value in options.items())]
        # The framework answers this path itself: asking it runs no function.
        self._run(function.name, command, env, lambda: answers(f"{self.url(function.name)}/robots.txt"))

    def _run(self, name: str, command: list[str], env: Mapping[str, str] | None, ready: Callable[[], bool]) -> None:
        process = Process(name, command, self._logs / f"{name}.log", env=env)
        self._keep(name, process)
        process.wait_until(ready)

    def _keep(self, name: str, process: Process | None) -> None:
        if process:
            self._processes[name] = process

    # -- facts

    def _facts(self) -> dict[str, str]:
        url = {name: f"http://{HOST}:{port}" for name, port in self.ports.items()}
        return {
            **{f"url_{function.name}": url[function.name] for function in self.spec.functions},
            "account": self.spec.account,
            "certs": f"{url['certs']}/certs",
            "smtp_host": HOST,
            "smtp_port": str(self.ports["smtp"]),
            "mailbox": url["mailbox"],
            "storage": url["storage"],
            "bucket": self.spec.bucket,
            "scheduler": self.address("scheduler"),
            "project": self.spec.project,
        }

    def _emulator_env(self) -> dict[str, str]:
        return {
            FIRESTORE.address_variable: self.address("firestore"),
            PUBSUB.address_variable: self.address("pubsub"),
            "STORAGE_EMULATOR_HOST": self.facts["storage"],
            "GOOGLE_CLOUD_PROJECT": self.spec.project,
        }

    @property
    def _logs(self) -> Path:
        return self.folder / "logs"

    def _kept(self, project: str, database: str) -> Path:
        return self.folder / "firestore" / f"{project}.{database.strip('()')}"


def _ports(folder: Path, spec: StackSpec) -> dict[str, int]:
    """A port for everything: the one of last time where that is still free, else a new one; remembered in the folder."""
    memory = folder / "ports.json"
    before: dict[str, int] = json.loads(memory.read_text()) if memory.exists() else {}
    wished = {function.name: function.port for function in spec.functions if function.port}
    ports: dict[str, int] = {}
    for name in (*SERVICES, *(function.name for function in spec.functions)):
        port = wished.get(name) or before.get(name) or free_port()
        while name not in wished and (port in ports.values() or listening(port)):
            port = free_port()
        ports[name] = port
    memory.write_text(json.dumps(ports, indent=2))
    return ports
