"""People who decide on the same batch at the same moment: by the page that the functions framework serves, and straight through
the use case, in several processes that let all of them go at once."""

from __future__ import annotations

import html
import os
import re
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.synchronize import Barrier
from typing import Literal

import functions_framework
import httpx
from penstock import wiring
from penstock.adapters.firestore import FirestoreStores
from penstock.core.errors import PenstockError, Refused
from penstock.core.plan import Verdict
from penstock.local.functions import SOURCE
from penstock.local.processes import HOST
from penstock.use_cases import effects
from penstock.use_cases.decide import Said, decide_by_link
from werkzeug.serving import WSGIRequestHandler, make_server

from support.lasting import LastingWorld, Place
from support.plants import plant

PATIENCE_SECONDS = 120.0
_NONCE = re.compile(r'name="nonce" value="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Word:
    """What one person does at the moment: a link, its code, a verdict; on the page or straight."""

    person: str
    token: str
    code: str
    verdict: Verdict
    by_page: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What came of it. `lost`: refused, in words that a person reads; `failed`: anything else."""

    word: Word
    how: Literal["won", "lost", "failed"]
    text: str = ""


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """The service logs for itself."""


class Instance:
    """One instance of the review service: its server, its channel to the database."""

    def __init__(self, together: Barrier, bug: str) -> None:
        self.together = together
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the service's log
        if bug:
            plant(bug)
        app = functions_framework.create_app("review", str(SOURCE))
        self.server = make_server(HOST, 0, app, threaded=True, request_handler=_Quiet)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.stores: FirestoreStores | None = None

    def race(self, place: Place, words: Sequence[Word]) -> list[Told]:
        """All of these decisions at once, and at the same moment as those of the other instances."""
        if self.stores is None:
            self.stores = FirestoreStores(place.emulator)
        world = LastingWorld(place, stores=self.stores)
        wiring.use(world.contexts)
        gate = threading.Barrier(len(words), action=lambda: self.together.wait(PATIENCE_SECONDS))
        with ThreadPoolExecutor(len(words)) as people:
            return list(people.map(lambda word: self._decide(world, word, gate), words))

    def _decide(self, world: LastingWorld, word: Word, gate: threading.Barrier) -> Told:
        try:
            if word.by_page:
                return self._by_page(world, word, gate)
            gate.wait(PATIENCE_SECONDS)
            _, owed = decide_by_link(world.ctx, word.token, word.code, Said(word.verdict))
        except Refused as lost:
            return Told(word, "lost", str(lost))
        except (PenstockError, httpx.HTTPError, threading.BrokenBarrierError) as error:
            return Told(word, "failed", f"{type(error).__name__}: {error}")
        failures = effects.pay(world.ctx, owed)
        return Told(word, "failed" if failures else "won", "; ".join(failures))

    def _by_page(self, world: LastingWorld, word: Word, gate: threading.Barrier) -> Told:
        """The page is open before the race, as it is when several people look at the same mail at seven."""
        link = f"http://{HOST}:{self.server.port}/{world.ctx.id}/{word.token}"
        with httpx.Client(timeout=PATIENCE_SECONDS) as browser:
            page = browser.get(link)
            nonce = _NONCE.search(page.text)
            gate.wait(PATIENCE_SECONDS)
            if nonce is None:
                return Told(word, "failed", f"{page.status_code}: no form")
            session = page.headers["set-cookie"].partition(";")[0]  # by hand: no browser sends a secure cookie over http
            form = {"nonce": nonce[1], "verdict": word.verdict, "code": word.code}
            answer = browser.post(link, data=form, headers={"Cookie": session})
        text = " ".join(re.sub(r"<style.*?</style>|<[^>]+>", " ", html.unescape(answer.text), flags=re.S).split())
        return Told(word, {200: "won", 409: "lost"}.get(answer.status_code, "failed"), text)  # type: ignore[arg-type]


_here: list[Instance] = []


def open_instance(together: Barrier, bug: str) -> None:
    """Make this process an instance, for `race_here`."""
    _here[:] = [Instance(together, bug)]


def race_here(place: Place, words: Sequence[Word]) -> list[Told]:
    return _here[0].race(place, words)
