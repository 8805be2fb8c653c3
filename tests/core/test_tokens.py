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


def test_what_a_link_is_bound_to_comes_back_from_the_database_as_it_went() -> None:
    held = tokens.stored(GRANT)
    assert set(held) == {"target", "batch", "digest", "recipient", "purpose", "serial", "expires_at"}
    assert tokens.grant_of({**held, "state": "open", "tries": 0}) == GRANT


def test_a_token_is_of_its_own_grant_and_key_alone() -> None:
    given = tokens.token(KEYS, "k1", GRANT)
    assert tokens.is_made_for(KEYS, "k1", GRANT, given)
    assert not tokens.is_made_for(KEYS, "k2", GRANT, given)
    assert not tokens.is_made_for(KEYS, "gone", GRANT, given)
    for other in ("target", "batch", "digest", "recipient", "purpose"):
        assert not tokens.is_made_for(KEYS, "k1", replace(GRANT, **{other: "other"}), given)
    assert not tokens.is_made_for(KEYS, "k1", replace(GRANT, serial=2), given)
    assert not tokens.is_made_for(KEYS, "k1", replace(GRANT, expires_at=GRANT.expires_at.plus(1)), given)


def test_what_is_moved_from_one_field_to_the_next_makes_another_token() -> None:
    one, other = replace(GRANT, target="a", batch="bc"), replace(GRANT, target="ab", batch="c")
    assert tokens.token(KEYS, "k1", one) != tokens.token(KEYS, "k1", other)


def test_a_token_and_a_code_never_change_once_they_were_mailed() -> None:
    """A change here would make every link that is on its way void."""
    mailed = replace(GRANT, purpose=tokens.DECIDE)
    assert tokens.token(KEYS, "k1", mailed) == "k1.hOCGqt47O9rNtzj4IRhYjuHSgyaBOopWwVxbXgHqMWU"
    assert tokens.code(KEYS, "k1", mailed) == "MMZ7BE"
    assert tokens.hash_of("k1.a") == "6788faf37a609190ac8aa7e32b604f8c365a79af96c1d5bf7fe6d58228656334"


def test_a_key_that_is_gone_is_named_with_the_way_to_bring_it_back() -> None:
    with pytest.raises(InvalidInput, match="among the token keys any more") as told:
        tokens.token(KEYS, "k3", GRANT)
    assert "`k3`" in told.value.remedy


def test_a_key_of_32_bytes_is_long_enough() -> None:
    assert tokens.token({"k": bytes(32)}, "k", GRANT)


@pytest.mark.parametrize(
    ("typed", "could"),
    [
        ("ABC234", True),
        (" ab-c2 34", True),
        ("ABC23", False),
        ("ABC2345", False),
        ("ABC230", False),
        ("ABCI23", False),
        ("", False),
    ],
)
def test_only_what_has_the_form_of_a_code_is_a_guess(typed: str, could: bool) -> None:
    assert tokens.could_be_code(typed) is could


def test_a_nonce_is_known_again() -> None:
    given = tokens.nonce(KEYS["k1"], "session", "token")
    assert tokens.is_nonce(given, KEYS["k1"], "session", "token")
    assert not tokens.is_nonce(given, KEYS["k1"], "session", "other")
    assert not tokens.is_nonce("", KEYS["k1"], "session", "token")


def test_a_link_bears_five_guesses_and_a_token_is_short() -> None:
    assert tokens.MAX_TRIES == 5
    assert len(tokens.token({"k" * 40: bytes(32)}, "k" * 40, GRANT)) < tokens.MAX_TOKEN == 200
