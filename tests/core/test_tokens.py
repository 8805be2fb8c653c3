from __future__ import annotations

import re
from dataclasses import replace

import pytest
from penstock.core import tokens
from penstock.core.errors import InvalidInput
from penstock.core.tokens import Grant
from penstock.core.values import Timestamp

KEYS = {"k1": bytes(range(32)), "k2": bytes(range(1, 33))}
GRANT = Grant("p.t", "batch", "digest", "a@example.org", "decide", 1, Timestamp(1_790_000_000))


def test_a_token_is_made_again_from_what_it_is_bound_to() -> None:
    assert tokens.token(KEYS, "k1", GRANT) == tokens.token(dict(KEYS), "k1", replace(GRANT))
    assert re.fullmatch(r"k1\.[A-Za-z0-9_-]{43}", tokens.token(KEYS, "k1", GRANT))


def test_another_key_makes_another_token() -> None:
    assert tokens.token(KEYS, "k1", GRANT).partition(".")[2] != tokens.token(KEYS, "k2", GRANT).partition(".")[2]


def test_the_code_does_not_follow_from_the_link() -> None:
    link = tokens.token(KEYS, "k1", GRANT)
    assert tokens.code(KEYS, "k1", GRANT) not in link.upper()
    assert re.fullmatch(r"[2-9A-HJ-NP-Z]{6}", tokens.code(KEYS, "k1", GRANT))


@pytest.mark.parametrize("key", [b"", b"short", bytes(31)])
def test_a_short_key_is_refused_with_the_command_that_makes_one(key: bytes) -> None:
    with pytest.raises(InvalidInput, match="openssl rand -hex 32"):
        tokens.token({"k": key}, "k", GRANT)


@pytest.mark.parametrize(
    ("typed", "same"),
    [
        ("ABC234", True),
        ("abc234", True),
        (" AB-C2 34 ", True),
        ("ABC235", False),
        ("", False),
        ("ABC2344", False),
        ("ÄBC234", False),
    ],
)
def test_a_code_is_compared_as_people_type_it(typed: str, same: bool) -> None:
    assert tokens.same_code(typed, "ABC234") is same


def test_the_database_holds_the_hash_of_the_whole_token() -> None:
    assert len({tokens.hash_of(t) for t in ("k1.a", "k1.b", "k2.a", "")}) == 4


def test_a_nonce_is_bound_to_session_and_link() -> None:
    made = {tokens.nonce(KEYS["k1"], s, t) for s in ("s1", "s2") for t in ("t1", "t2")}
    assert len(made | {tokens.nonce(KEYS["k2"], "s1", "t1")}) == 5
