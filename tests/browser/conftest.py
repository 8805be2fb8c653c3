"""Debian's Chromium, driven headless, and a small service that serves pages as the review service does."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from penstock.web.headers import SECURITY_HEADERS
from playwright.sync_api import Browser, Page
from support.chromium import launched
from werkzeug.serving import make_server

sys.path.insert(0, str(Path(__file__).parent.parent / "web"))  # the batches that page tests use
sys.path.insert(0, str(Path(__file__).parent.parent))


@dataclass
class Site:
    """Pages by path; `posts` are the forms that arrived."""

    pages: dict[str, str] = field(default_factory=dict)
    posts: list[dict[str, list[str]]] = field(default_factory=list)
    answer: str = "<!doctype html><html lang=en><title>done</title><h1>Received</h1></html>"
    url: str = ""

    def application(self) -> Flask:
        app = Flask("site")

        def serve(path: str) -> Response:
            if request.method == "POST":
                self.posts.append(request.form.to_dict(flat=False))
                return Response(self.answer, mimetype="text/html", headers=SECURITY_HEADERS)
            if path not in self.pages:
                return Response("", 404)
            return Response(self.pages[path], mimetype="text/html", headers=SECURITY_HEADERS)

        app.add_url_rule("/<path:path>", view_func=serve, methods=["GET", "POST"])
        return app


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    server = make_server("127.0.0.1", 0, made.application(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.url = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with launched() as browser:
        yield browser


@dataclass
class Watched:
    """A tab that keeps what went wrong in it and what it fetched."""

    page: Page
    console: list[str]
    requests: list[str]


@pytest.fixture
def tab(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    contexts = []

    def open_tab(width: int = 360, height: int = 740, **options: Any) -> Watched:
        context = chromium.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        watched = Watched(context.new_page(), [], [])
        watched.page.on("console", lambda message: watched.console.append(message.text))
        watched.page.on("pageerror", lambda error: watched.console.append(str(error)))
        watched.page.on("dialog", lambda dialog: (watched.console.append(f"dialog {dialog.message}"), dialog.dismiss()))
        watched.page.on("request", lambda sent: watched.requests.append(sent.url))
        return watched

    yield open_tab
    for context in contexts:
        context.close()
