"""A threaded HTTP server on the loopback, for the small services of the local stack."""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from penstock.local.processes import HOST


class Handler(BaseHTTPRequestHandler):
    """Answers are short; connections are kept alive."""

    protocol_version = "HTTP/1.1"
    timeout = 300  # of an idle connection, seconds
    disable_nagle_algorithm = True

    def body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, content: bytes, content_type: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def answer_json(self, value: object, status: int = 200) -> None:
        self.answer(json.dumps(value).encode(), "application/json", status)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: requests are logged by the functions themselves."""


class Server(ThreadingHTTPServer):
    """Serves from a thread of its own as soon as it is made. `url` has no slash at the end."""

    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0) -> None:
        super().__init__((HOST, port), handler)
        self.url = f"http://{HOST}:{self.server_port}"
        threading.Thread(target=self.serve_forever, args=(0.05,), name=f"http-{self.server_port}", daemon=True).start()

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no error of ours; everything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.shutdown()
        self.server_close()
