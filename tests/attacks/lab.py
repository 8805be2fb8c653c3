"""What is attacked: a whole local stack, its functions in processes of their own on Google's emulators; and for controls a twin
of the functions in this process, on the same databases, out of which a guard can be taken."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import cached_property
from io import StringIO
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import functions_framework
import httpx
import pytest
from penstock import wiring
from penstock.core import layout, tokens
from penstock.core.batch import Status
from penstock.core.keyring import Keyring
from penstock.core.plan import Batch
from penstock.core.records import Query, Set
from penstock.local import functions
from penstock.local.identity import Issuer
from penstock.local.stack import Stack
from penstock.pipelines.schema import load_all
from penstock.ports import Ports
from penstock.settings import Settings, read
from penstock.use_cases.context import Context, load_target
from penstock.wiring import Contexts
from support import network as net
from support.world import World
from werkzeug.serving import BaseWSGIServer, make_server

T = TypeVar("T")
FIRST, SECOND = "thandi@penstock.example", "sipho@penstock.example"
KEYS = {"new": bytes(range(1, 33)), "old": bytes(range(2, 34)), "gone": bytes(range(3, 35))}
HOUR = 3_600.0
WRONG = "222222"
COOKIE = "penstock_session"
OURS = (
    layout.TARGETS, layout.BATCHES, layout.STAGING, layout.REJECTIONS, layout.OUTBOX, layout.AUDIT, layout.TOKENS,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Invitation:
    """What one approver's mail about one batch held."""

    batch: str
    recipient: str
    target: str
    token: str
    code: str

    @property
    def path(self) -> str:
        return f"/{self.target}/{self.token}"


class Lab:
    """The stack, and what attacks do again and again. Use as a context manager."""

    def __init__(self) -> None:
        self._ends = ExitStack()
        self._twin: dict[str, str] | None = None  # by function; None: the real processes
        self._patch: pytest.MonkeyPatch | None = None
        self._named = 0
        self._seen: dict[str, Invitation] = {}

    def __enter__(self) -> Lab:
        folder = Path(self._ends.enter_context(tempfile.TemporaryDirectory(prefix="penstock-attacks-")))
        spec = functions.spec(folder)
        env = {
            "PENSTOCK_PEOPLE_FIBRE_APPROVERS": f"{FIRST},{SECOND}",
            "PENSTOCK_KEYS": str(Keyring(KEYS, {"old": wiring.clock().plus(24 * HOUR), "gone": wiring.clock().plus(-HOUR)})),
        }
        self.stack = Stack(folder, replace(spec, schedules=(), keep=(), env={**spec.env, **env}))
        self._ends.enter_context(self.stack)
        kept = self._ends.enter_context(pytest.MonkeyPatch.context())
        for name, value in self.stack.env.items():
            kept.setenv(name, value)
        self.settings: Settings = read(self.stack.env)
        real = wiring.ports(self.settings)

        def on_the_stack(ports: Ports) -> Ports:
            kept = {"publisher": ports.publisher, "mailer": ports.mailer, "base_url": ports.base_url}
            return replace(real, now=lambda: wiring.clock(), **kept)

        self.world = World(stores=real.stores, people=dict(self.settings.people), wrap=on_the_stack)
        self.world.outside = self.world.ctx
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ends.close()

    # -- where the functions are

    def url(self, function: str = "review") -> str:
        """The address of a function: of its process, or of its twin while a guard is out."""
        if self._twin is None:
            return self.stack.url(function)
        if function not in self._twin:
            self._twin[function] = self._serve(function)
        return self._twin[function]

    def logs(self) -> str:
        """What the functions have said so far."""
        if self._twin is not None:
            return self._said.getvalue()
        return "".join(path.read_text(errors="replace") for path in sorted((self.stack.folder / "logs").glob("*.log")))

    @contextmanager
    def twin(self, patch: pytest.MonkeyPatch) -> Iterator[None]:
        """Until the end, functions are served by this process: what `patch` changes, changes them."""
        with ExitStack() as ends:
            self._twin, self._patch, self._twin_ends = {}, patch, ends
            self._said = ends.enter_context(redirect_stdout(StringIO()))
            self._seen.clear()
            ends.callback(self._back)
            patch.setattr(wiring, "settings", lambda: self.settings)
            wiring.use(self.world.contexts)
            yield

    def _back(self) -> None:
        wiring.use(None)
        self._twin = self._patch = None
        self._seen.clear()

    def _serve(self, function: str) -> str:
        app = functions_framework.create_app(function, str(functions.SOURCE), "http")
        server = make_server("127.0.0.1", 0, app, threaded=True)
        url = f"http://127.0.0.1:{server.server_port}"
        assert self._patch is not None
        if function == "review":
            ports = replace(self.world.contexts.ports, base_url=url, project_ids=self.settings.projects)
            wiring.use(Contexts(ports, {**load_all(), **self.world.contexts.pipelines}))
        settings = self.settings.model_copy(update={"audience": url})
        self._patch.setattr(wiring, "settings", lambda: settings)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        self._twin_ends.callback(_end, server, thread)
        return url

    # -- who calls

    def browser(self) -> httpx.Client:
        """A visitor with a cookie jar of their own; follows no redirect."""
        return httpx.Client(base_url=self.url(), timeout=60)

    def call(self, function: str, body: Any, **options: Any) -> httpx.Response:
        """Call a worker as its schedule or its topic does, with a token of the right account for the right audience."""
        url = self.url(function)
        bearer = {"Authorization": f"Bearer {self.issuer.mint(url, self.stack.spec.account)}"}
        return httpx.post(url, json=body, headers=bearer, timeout=60, **options)

    @property
    def issuer(self) -> Issuer:
        """Who signs the tokens that the functions trust."""
        found: Issuer = self.stack._inside["certs"]
        return found

    # -- what there is to decide

    @property
    def ctx(self) -> Context:
        return self.world.ctx

    def review(
        self, to: str = FIRST, *, fresh: bool = False, started_by: str = "schedule", records: list[Any] | None = None
    ) -> Invitation:
        """An open review of a few new poles that nobody has touched: the same again, or a new one."""
        if not fresh and (seen := self._seen.get(to)) and self._is_untouched(seen):
            return seen
        self._seen.clear()
        self._let_go()
        net.feed(self.world, records or self.records(3))
        batch = self.world.run(started_by=started_by).batch
        for person in (FIRST, SECOND):
            token, code = self.world.link(person)
            self._seen[person] = Invitation(batch, person, self.ctx.id, token, code)
        assert self.batch(self._seen[to]).status is Status.UNDER_REVIEW
        return self._seen[to]

    def _let_go(self) -> None:
        """Of a batch that an attack left half done."""
        held = load_target(self.ctx)
        if held.state.applying:
            self.ctx.store.commit([held.write(applying="")])

    def records(self, many: int) -> list[Any]:
        """Source records of poles that were never there before."""
        numbers = range(self._named, self._named + many)
        self._named += many
        # Each has a change stamp of its own, later than the one before: an incremental run sees it.
        return [
            net.record(f"n{n}", n, day=f"2026-06-{1 + n // 1_440:02d} {n // 60 % 24:02d}:{n % 60:02d}:00.5+02") for n in numbers
        ]

    def _is_untouched(self, seen: Invitation) -> bool:
        batch = self.batch(seen)
        link = self.link(seen)
        return batch.status is Status.UNDER_REVIEW and not batch.decisions and (link["state"], link["tries"]) == ("open", 0)

    def batch(self, seen: Invitation) -> Batch:
        return self.world.batch(seen.batch)

    def given_out(self, like: Invitation, key_id: str = "new", key: bytes | None = None, **other: Any) -> Invitation:
        """Another link and its code, as the holder of a key could make it, with its record in the database: as `like`, but for
        what is said."""
        held = {**self.link(like), "key_id": key_id, "state": "open", "tries": 0, **other}
        keys, grant = {**KEYS, key_id: key or KEYS[key_id]}, tokens.grant_of(held)
        made = tokens.token(keys, key_id, grant)
        self.ctx.store.commit([Set(layout.token(tokens.hash_of(made)), held)])
        return replace(like, token=made, code=tokens.code(keys, key_id, grant))

    def link(self, seen: Invitation) -> dict[str, Any]:
        """What the database holds of a link."""
        return self.ctx.store.get([layout.token(tokens.hash_of(seen.token))])[0].fields

    def state(self) -> dict[str, str]:
        """Every document of the target's database with the moment of its last write: equal where nothing was written."""
        collections = (*OURS, *(self.ctx.collection(e) for e in self.ctx.pipeline.entities))
        return {s.path: str(s.update_time) for name in collections for s in self.ctx.store.scan(Query(name, select=()))}

    # -- what people do

    def form(self, seen: Invitation, browser: httpx.Client, **given: Any) -> dict[str, Any]:
        """The page's form as a person fills it in who approves; opens the page for it. Where the page has no form any more: as of
        a page that was opened while it had."""
        page = browser.get(seen.path).text
        nonce = page.partition('name="nonce" value="')[2].partition('"')[0]
        nonce = nonce or tokens.nonce(KEYS["new"], browser.cookies.get(COOKIE, ""), seen.token)
        return {"nonce": nonce, "verdict": "approve", "code": seen.code, "note": "", "except": "", **given}

    def send(self, seen: Invitation, **given: Any) -> httpx.Response:
        """Open the page and send its form, in one browser."""
        with self.browser() as browser:
            return browser.post(seen.path, data=self.form(seen, browser, **given))

    # -- a real browser

    def in_chromium(self, do: Callable[[Any], T]) -> T:
        """What `do` gives, called with a Chromium (Playwright's `Browser`) in the one thread in which it may be used."""
        return self._browsing.submit(lambda: do(self._chromium)).result(timeout=120)

    @cached_property
    def _browsing(self) -> ThreadPoolExecutor:
        return self._ends.enter_context(ThreadPoolExecutor(1))

    @cached_property
    def _chromium(self) -> Any:
        from support.chromium import launched

        browsers = launched()
        self._ends.callback(lambda: self._browsing.submit(browsers.__exit__, None, None, None).result(60))
        return browsers.__enter__()


@contextmanager
def tab(chromium: Any, **options: Any) -> Iterator[Any]:
    """A page of a browser of its own: no cookies, no cache, no history."""
    context = chromium.new_context(**options)
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


class Everything(str):
    """A text that is equal to every other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    __hash__ = str.__hash__


def _end(server: BaseWSGIServer, thread: threading.Thread) -> None:
    server.shutdown()
    thread.join()
    server.server_close()
