"""Who wants to try the API on the local stack signs in as anybody."""

from __future__ import annotations

from pathlib import Path

import pytest
from penstock.local import supervisor
from penstock.local.stack import Service
from terminal import Terminal


def test_a_token_is_printed_alone_and_in_json_with_where_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "token", lambda _, email: f"made for {email}")
    monkeypatch.setattr(supervisor, "status", lambda _: (Service("review", "http://127.0.0.1:5", True),))
    assert Terminal(None)("local", "token", "a@example.org").out == "made for a@example.org\n"
    told = Terminal(None).json("local", "token", "a@example.org")
    assert (told.answer["token"], told.answer["address"]) == ("made for a@example.org", "http://127.0.0.1:5")


def test_without_a_stack_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PENSTOCK_LOCAL", str(tmp_path))
    told = Terminal(None)("local", "token", "a@example.org")
    assert (told.code, told.out) == (1, "")
    assert "penstock local up" in told.err
