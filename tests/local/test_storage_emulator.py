"""The storage emulator works with Google's client, keeps its files, and shows a report to a browser."""

from __future__ import annotations

import socket
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from penstock.adapters.blobs import CloudBlobs
from penstock.local.processes import HOST, Process, answers, free_port

REPORT = "<!doctype html><meta charset=utf-8><title>Report</title><p>Größe</p>".encode()


def started(folder: Path, port: int) -> Process:
    command = [sys.executable, "-m", "penstock.local.storage", f"--port={port}", f"--folder={folder}", "penstock-demo"]
    process = Process("storage", command, folder.parent / "storage.log")
    process.wait_until(lambda: answers(f"http://{HOST}:{port}/"))
    return process


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    port = free_port()
    process = started(tmp_path / "storage", port)
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{HOST}:{port}")
    yield port
    process.stop()


def test_objects_are_written_read_and_listed_by_googles_client(port: int) -> None:
    blobs = CloudBlobs("penstock-demo", "demo-storage")
    assert blobs.write("reports/b1/pre.html", REPORT, "text/html; charset=utf-8")
    assert not blobs.write("reports/b1/pre.html", b"other", "text/html")
    assert blobs.read("reports/b1/pre.html") == REPORT
    assert blobs.write("backups/b1/0.jsonl.gz", bytes(range(256)) * 4096, "application/gzip")
    assert blobs.read("backups/b1/0.jsonl.gz") == bytes(range(256)) * 4096
    assert blobs.names("reports/") == ["reports/b1/pre.html"]
    blobs._client.close()


def test_a_report_opens_in_a_browser_by_its_address(port: int) -> None:
    blobs = CloudBlobs("penstock-demo", "demo-storage")
    blobs.write("reports/b1/pre.html", REPORT, "text/html; charset=utf-8")
    with urllib.request.urlopen(blobs.url("reports/b1/pre.html"), timeout=5) as response:
        assert response.headers.get_content_type() == "text/html"
        assert response.headers["Content-Disposition"] is None
        assert response.read() == REPORT
    blobs._client.close()


def test_a_connection_that_says_nothing_stops_nobody(port: int) -> None:
    with socket.create_connection((HOST, port)):
        assert answers(f"http://{HOST}:{port}/")


def test_objects_outlive_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://{HOST}:{port}")
    process = started(tmp_path / "storage", port)
    blobs = CloudBlobs("penstock-demo", "demo-storage")
    blobs.write("reports/b1/pre.html", REPORT, "text/html; charset=utf-8")
    process.stop()
    process = started(tmp_path / "storage", port)
    assert blobs.read("reports/b1/pre.html") == REPORT
    blobs._client.close()
    process.stop()
