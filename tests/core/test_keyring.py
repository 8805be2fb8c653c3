from __future__ import annotations

import hashlib

import pytest
from penstock.core import keyring
from penstock.core.errors import InvalidInput
from penstock.core.values import Timestamp

NOW = Timestamp.parse("2026-11-20T08:00:00Z")
DAY = 86_400


def key(n: int) -> bytes:
    return hashlib.sha256(str(n).encode()).digest()


def test_a_ring_is_the_same_after_it_was_written_and_read() -> None:
    text = f"k2:{key(2).hex()},k1:{key(1).hex()}@2026-12-04T08:00:00Z"
    ring = keyring.parse(text)
    assert (list(ring.keys), ring.until) == (["k2", "k1"], {"k1": NOW.plus(14 * DAY)})
    assert str(ring) == text


def test_the_first_rotation_makes_the_first_key() -> None:
    ring = keyring.rotate(keyring.parse("\n"), key(1), NOW, DAY)
    assert (dict(ring.keys), dict(ring.until)) == ({"k1": key(1)}, {})


def test_an_older_key_gets_its_grace_once_and_goes_with_the_rotation_after_it() -> None:
    first = keyring.rotate(keyring.Keyring(), key(1), NOW, 14 * DAY)
    second = keyring.rotate(first, key(2), NOW, 14 * DAY)
    assert (list(second.keys), second.until) == (["k2", "k1"], {"k1": NOW.plus(14 * DAY)})
    soon = keyring.rotate(second, key(3), NOW.plus(DAY), 14 * DAY)
    assert soon.until == {"k2": NOW.plus(15 * DAY), "k1": NOW.plus(14 * DAY)}
    late = keyring.rotate(second, key(3), NOW.plus(14 * DAY), 14 * DAY)
    assert list(late.keys) == ["k3", "k2"]


def test_a_new_key_never_takes_the_id_of_one_that_is_left_out() -> None:
    ring = keyring.parse(f"local:{key(0).hex()},k9:{key(9).hex()}@2026-01-01T00:00:00Z")
    assert list(keyring.rotate(ring, key(1), NOW, DAY).keys) == ["k10", "local"]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"k1:{key(1).hex()},k1:{key(2).hex()}", "two keys"),
        (f"../k1:{key(1).hex()}", "has no id"),
        (f":{key(1).hex()}", "has no id"),
        (f"K.1:{key(1).hex()}", "has no id"),
        (f"k1:{key(1).hex()}@tomorrow", "no moment"),
        (f"k1:{key(1).hex()}@", "no moment"),
        (f"k1:{key(1).hex()}@2027-01-01T00:00:00Z", "the first key signs"),
        ("k1:" + "0123456789abcdef" * 4, "weak"),
        ("k1:" + b"changeme-changeme-changeme-change".hex(), "weak"),
        ("k1:" + "deadbeef" * 8, "weak"),
        ("k1:" + key(1).hex()[:62], "weak"),
        ("k1:secret", "no hexadecimal"),
    ],
)
def test_what_is_no_ring_is_refused_with_a_remedy_and_not_repeated(text: str, what: str) -> None:
    with pytest.raises(InvalidInput, match=what) as told:
        keyring.parse(text)
    assert told.value.remedy
    assert text.partition(":")[2] not in str(told.value)
