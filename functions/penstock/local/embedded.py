"""The same functions without any emulator: Firestore's semantics in memory, reports in a folder, everything in one process. The
mailbox, the tokens, the framework that loads the functions and the page in your browser are the real ones. What is in
memory is gone when the process ends."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import functions_framework
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from penstock import wiring
from penstock.adapters.folder import FolderBlobs
from penstock.adapters.memory import MemoryStores
from penstock.adapters.smtp import SmtpMailer
from penstock.local import functions
from penstock.local.identity import Issuer
from penstock.local.mailbox import Mailbox
from penstock.local.processes import HOST
from penstock.pipelines.schema import FOLDER, load_all
from penstock.ports import Ports
from penstock.use_cases.topics import CAPTURE, CHECK, PROMOTE
from penstock.web.pages import WebPages

AUDIENCE, ACCOUNT = "https://penstock.local", "invoker@penstock.local"
ATTEMPTS = 5
PUSHED_TO = {CHECK: "check", PROMOTE: "promote", CAPTURE: "capture", functions.DEAD: "dead_letter"}


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """The functions log for themselves."""


class Embedded:
    """`tick` runs a pipeline's schedule; messages go to the functions as pushes do: enveloped, with a token, again on failure."""

    def __init__(self, folder: Path, pipelines: Path = FOLDER) -> None:
        self._issuer, self.mailbox = Issuer(), Mailbox(folder / "mails")
        host, _, port = self.mailbox.smtp.partition(":")
        os.environ.update(
            PENSTOCK_AUDIENCE=AUDIENCE, PENSTOCK_ACCOUNTS=ACCOUNT, PENSTOCK_CERTS_URL=self._issuer.certs_url,
        )  # fmt: skip
        load: Callable[[str, str], Flask] = functions_framework.create_app
        self._apps = {name: load(name, str(functions.SOURCE)) for name in functions.NAMES}
        self._server = make_server(HOST, 0, self._apps["review"], threaded=True, request_handler=_Quiet)
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="push")
        spec = functions.spec(folder, pipelines)
        loaded = load_all(pipelines)
        ports = Ports(
            stores=MemoryStores(wiring.clock),
            blobs=FolderBlobs(folder / "storage"),
            publisher=self,
            mailer=SmtpMailer(host, int(port), "penstock@penstock.example", "none"),
            pages=WebPages(),
            now=wiring.clock,
            new_id=wiring.new_id,
            keys={"local": bytes.fromhex(spec.env["PENSTOCK_KEYS"].partition(":")[2])},
            base_url=f"http://{HOST}:{self._server.port}",
            each=wiring.Threads(2),
            project_ids=functions.project_ids(loaded),
            people={p.gate.approvers: tuple(functions.people(p.gate.approvals).split(",")) for p in loaded.values()},
        )
        self.contexts = wiring.Contexts(ports, loaded)
        wiring.use(self.contexts)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def publish(self, topic: str, messages: Sequence[Mapping[str, str]]) -> None:
        for number, message in enumerate(messages):
            data = base64.b64encode(json.dumps(dict(message)).encode()).decode()
            envelope = {"message": {"data": data, "messageId": f"{time.time_ns()}-{number}"}, "subscription": topic}
            self._pool.submit(self._push, topic, envelope)

    def _push(self, topic: str, envelope: dict[str, Any]) -> None:
        for attempt in range(ATTEMPTS):
            if self._call(PUSHED_TO[topic], envelope) < 300:
                return
            time.sleep(0.2 * 2**attempt)
        if topic != functions.DEAD:
            self._push(functions.DEAD, envelope)

    def tick(self, pipeline: str) -> None:
        self._pool.submit(self._call, "capture", {"pipeline": pipeline})

    def _call(self, function: str, body: Mapping[str, Any]) -> int:
        token = {"Authorization": f"Bearer {self._issuer.mint(AUDIENCE, ACCOUNT)}"}
        return self._apps[function].test_client().post("/", json=body, headers=token).status_code

    def stop(self) -> None:
        self._pool.shutdown(wait=True)
        self._server.shutdown()
        self.mailbox.stop()
        self._issuer.stop()
        wiring.use(None)
