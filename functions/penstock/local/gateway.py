"""Between the Pub/Sub emulator and the functions: the emulator pushes without a token, the real service with one. The gateway
adds it and passes everything else on as it is: body, headers, status, and the time it takes."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from penstock.local.http_server import Handler, Server

TIMEOUT_SECONDS = 600.0  # the longest acknowledgement deadline that Pub/Sub knows
_HOP_BY_HOP = {"connection", "keep-alive", "host", "content-length", "transfer-encoding", "authorization"}


@dataclass(frozen=True, slots=True)
class Route:
    """Where a push goes, and on whose behalf."""

    url: str
    audience: str
    account: str


class Gateway:
    """`POST /{name}` goes to the route of that name, with a bearer token for its audience and account. A function that
    does not answer is a 503, so that Pub/Sub sends again."""

    def __init__(self, routes: Mapping[str, Route], mint: Callable[[str, str], str], port: int = 0) -> None:
        class Push(Handler):
            def do_POST(self) -> None:
                route = routes.get(self.path.strip("/"))
                body = self.body()
                if route is None:
                    self.answer_json({"error": f"no function is called {self.path!r}"}, 404)
                    return
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
                headers["Authorization"] = f"Bearer {mint(route.audience, route.account)}"
                try:
                    status, content_type, content = _forward(route.url, body, headers)
                except (OSError, http.client.HTTPException) as error:
                    self.answer_json({"error": f"{route.url} does not answer: {error}"}, 503)
                else:
                    self.answer(content, content_type, status)

        self._server = Server(Push, port)
        self.url = self._server.url

    def stop(self) -> None:
        self._server.stop()


def _forward(url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str, bytes]:
    """One POST on a connection of its own: a kept one may turn out closed, and sending again could deliver twice."""
    parts = urlsplit(url)
    with contextlib.closing(http.client.HTTPConnection(parts.netloc, timeout=TIMEOUT_SECONDS)) as connection:
        connection.request("POST", parts.path or "/", body, dict(headers))
        response = connection.getresponse()
        return response.status, response.headers.get("Content-Type", "text/plain"), response.read()
