"""The Cloud Storage emulator `gcp-storage-emulator`, with its files in the stack's folder and reports open to a browser.

It ignores generation preconditions: `if_generation_match=0` overwrites here, where Cloud Storage refuses. Of a content type
it keeps the type and forgets the character set."""

from __future__ import annotations

import argparse
import threading
from collections.abc import Sequence
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from gcp_storage_emulator.handlers.buckets import create_bucket
from gcp_storage_emulator.server import RequestHandler
from gcp_storage_emulator.storage import Storage

from penstock.local.processes import HOST

_one_at_a_time = threading.Lock()


class _Handler(RequestHandler):  # type: ignore[misc]  # the emulator is not typed
    """The emulator's own server takes one connection after the other, and a browser that opens one in advance
    would stop everybody. So connections have threads, and requests a lock."""

    disable_nagle_algorithm = True

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65_537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        with _one_at_a_time:
            getattr(self, f"do_{self.command}")()
            self.wfile.flush()


def serve(port: int, folder: Path, buckets: Sequence[str]) -> None:
    """Serve until the process is ended. Objects lie in `folder` and are there again after a restart."""
    storage: Any = Storage(data_dir=str(folder.resolve()))
    for bucket in buckets:
        create_bucket(bucket, storage)  # leaves one that is there already as it is
    ThreadingHTTPServer((HOST, port), partial(_Handler, storage)).serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m penstock.local.storage", description=serve.__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("buckets", nargs="*")
    given = parser.parse_args()
    serve(given.port, given.folder, given.buckets)
