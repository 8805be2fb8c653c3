"""One contract for Storage, held by the in-memory bucket and by Cloud Storage's client against an emulator."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from penstock.adapters import blobs as adapter
from penstock.adapters.blobs import CloudBlobs
from penstock.adapters.memory_services import MemoryBlobs
from penstock.core.errors import NotFound, Unavailable
from penstock.ports import Blobs

BUCKET = "penstock-test"


@pytest.fixture(scope="module")
def storage_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("storage")
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "penstock.local.storage", "--port", str(port), "--folder", str(folder), BUCKET]
    with Path(folder, "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        while process.poll() is None:
            with closing(socket.socket()) as knock:
                if knock.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        assert process.poll() is None, Path(folder, "log").read_text()
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture(params=["memory", "emulator"])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Blobs:
    if request.param == "memory":
        return MemoryBlobs()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", request.getfixturevalue("storage_emulator"))
    return CloudBlobs(BUCKET, "demo-penstock")


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> str:
    return f"{request.node.name}/"


def test_what_is_written_is_read_back_byte_for_byte(bucket: Blobs, folder: str) -> None:
    content = bytes(range(256)) * 5_000
    assert bucket.write(f"{folder}a.bin", content, "application/octet-stream") is True
    assert bucket.read(f"{folder}a.bin") == content


def test_a_compressed_object_is_read_back_compressed(bucket: Blobs, folder: str) -> None:
    import gzip

    content = gzip.compress(b'{"a":1}\n' * 100)
    bucket.write(f"{folder}backup.jsonl.gz", content, "application/gzip")
    assert bucket.read(f"{folder}backup.jsonl.gz") == content


def test_without_replace_the_first_object_stays(bucket: Blobs, folder: str) -> None:
    assert bucket.write(f"{folder}x", b"first", "text/plain") is True
    assert bucket.write(f"{folder}x", b"second", "text/plain") is False
    assert bucket.read(f"{folder}x") == b"first"


def test_with_replace_the_last_object_stays(bucket: Blobs, folder: str) -> None:
    bucket.write(f"{folder}x", b"first", "text/plain", replace=True)
    assert bucket.write(f"{folder}x", b"second", "text/plain", replace=True) is True
    assert bucket.read(f"{folder}x") == b"second"


def test_an_object_that_is_not_there_is_named(bucket: Blobs, folder: str) -> None:
    with pytest.raises(NotFound, match="nowhere"):
        bucket.read(f"{folder}nowhere")


def test_names_are_found_by_prefix_in_order(bucket: Blobs, folder: str) -> None:
    for name in ("b/2", "b/1", "c/1", "b é/1"):
        bucket.write(folder + name, b"", "text/plain")
    assert bucket.names(f"{folder}b/") == [f"{folder}b/1", f"{folder}b/2"]
    assert bucket.names(f"{folder}b") == [f"{folder}b é/1", f"{folder}b/1", f"{folder}b/2"]
    assert bucket.names(f"{folder}nothing") == []


def test_a_person_opens_an_object_by_its_url_with_its_type(storage_emulator: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage_emulator)
    bucket = CloudBlobs(BUCKET, "demo-penstock")
    bucket.write("reports/a b/é.html", b"<p>hello", "text/html")
    with urllib.request.urlopen(bucket.url("reports/a b/é.html")) as answer:
        assert answer.read() == b"<p>hello"
        assert answer.headers.get_content_type() == "text/html"


def test_in_production_the_url_asks_for_a_signed_in_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    assert CloudBlobs("b").url("reports/a b.html") == "https://storage.cloud.google.com/b/reports/a%20b.html"


class _Service:
    """Cloud Storage's answers that an emulator does not give: every object is unknown, every upload gets `status`."""

    def __init__(self, status: int) -> None:
        service = self
        self.uploads: list[str] = []

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send(404)

            def do_POST(self) -> None:
                service.uploads.append(self.path)
                self.rfile.read(int(self.headers["Content-Length"]))
                self.send(status)

            def send(self, code: int) -> None:
                body = b'{"error": {"message": "because"}}'
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Answers)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Service]:
    made = _Service(request.param)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", made.url)
    monkeypatch.setattr(adapter, "PATIENCE_SECONDS", 2.0)
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.mark.parametrize("service", [412], indirect=True)
def test_a_lost_race_for_a_name_is_told_by_the_generation(service: _Service) -> None:
    assert CloudBlobs(BUCKET, "p").write("x", b"1", "text/plain") is False
    assert "ifGenerationMatch=0" in service.uploads[0]


@pytest.mark.parametrize("service", [403], indirect=True)
def test_a_denied_access_names_the_object_and_the_remedy(service: _Service) -> None:
    with pytest.raises(Unavailable, match=r"gs://penstock-test/x: access was denied.*Grant"):
        CloudBlobs(BUCKET, "p").write("x", b"1", "text/plain")
    assert len(service.uploads) == 1


@pytest.mark.parametrize("service", [503], indirect=True)
def test_a_service_that_is_away_is_asked_again_but_not_for_ever(service: _Service) -> None:
    with pytest.raises(Unavailable, match="did not answer"):
        CloudBlobs(BUCKET, "p").write("x", b"1", "text/plain")
    assert 2 <= len(service.uploads) <= 10
