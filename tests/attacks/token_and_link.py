"""What can be done with a link, a token and a code."""

from __future__ import annotations

import hashlib
import hmac
import http.client
import string
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from attacks.lab import FIRST, HOUR, KEYS, SECOND, WRONG, Everything, Invitation, Lab
from attacks.registry import Without, attack, both, replaced
from penstock import wiring
from penstock.adapters.firestore import FirestoreStore
from penstock.core import layout, tokens
from penstock.core.errors import PenstockError
from penstock.core.records import Query, Update
from penstock.core.tokens import Grant
from penstock.core.values import Timestamp
from penstock.settings import read
from penstock.use_cases import decide
from penstock.use_cases.context import Context
from penstock.use_cases.decide import Link, Said, decide_by_link
from support import network as net
from support.world import World

SECTION = "token and link"
GRANT = Grant("p.t", "batch", "digest", "a@example.org", "decide", 1, Timestamp(1_790_000_000))


def shown(lab: Lab, paths: Iterable[str]) -> str | None:
    """The first of these paths that shows changes to whoever asks."""
    with lab.browser() as browser:
        for path in paths:
            try:
                answer = browser.get(quote(path, safe="/?=&")) if len(path) < 60_000 else long(browser, path)
            except httpx.TransportError:  # the server hung up on what it would not read
                continue
            if answer.status_code == 200 and "LAW.P." in answer.text:
                return path[:200]
    return None


def long(browser: httpx.Client, path: str) -> httpx.Response:
    """A request that httpx will not make."""
    with closing(http.client.HTTPConnection(browser.base_url.host, browser.base_url.port, timeout=30)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return httpx.Response(answer.status, content=answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise httpx.TransportError(str(error)) from error


def decided(lab: Lab, seen: Invitation, **given: Any) -> object:
    """What was decided on a batch after somebody sent the page's form."""
    lab.send(seen, **given)
    return lab.batch(seen).decisions


# tokens that are none of ours ---------------------------------------------------------------------------------------------


def opens_to_anyone(ctx: Context, _: str) -> Link:
    """What `find_link` would be if it did not look at the token."""
    found = max(ctx.store.scan(Query(layout.TOKENS)), key=lambda held: held.update_time or Timestamp(0))
    return Link(found, tokens.grant_of(found.fields), found.fields["key_id"])


anyone = both(
    replaced("penstock.use_cases.decide.find_link", opens_to_anyone),
    replaced("penstock.use_cases.reviewing.find_link", opens_to_anyone),
)


def flipped(token: str, bits: Iterable[int] = range(8)) -> Iterator[str]:
    """The token with one bit another, at every position: of the letter's code, and (the last) of what base64 makes of it."""
    alphabet = string.ascii_letters + string.digits + "-_"
    for n, letter in enumerate(token):
        for bit in bits:
            other = chr(ord(letter) ^ 1 << (n + bit) % 8) if (n + bit) % 8 < 7 else alphabet[alphabet.find(letter) ^ 1]
            if other != letter and other not in "\n/":
                yield token[:n] + other + token[n + 1 :]


@attack(SECTION, guard="the token's hash and MAC", without=anyone)
def a_token_with_one_bit_flipped_opens(lab: Lab) -> object:
    seen = lab.review()
    return shown(lab, (f"/{seen.target}/{other}" for other in flipped(seen.token, [0])))


@attack(SECTION, guard="the token's hash and MAC", without=anyone)
def a_token_with_any_bit_flipped_is_taken_for_a_link(lab: Lab) -> object:
    seen = lab.review()
    for other in flipped(seen.token):
        try:
            return decide.find_link(lab.ctx, other).grant
        except PenstockError:
            continue
    return None


SPELLINGS: list[Callable[[str], str]] = [
    lambda t: "",
    lambda t: t[:-1],
    lambda t: t + "=",
    lambda t: t + "==",
    lambda t: t + "A",
    lambda t: t.replace("-", "+").replace("_", "-") + "=",
    lambda t: f"{t} ",
    lambda t: f" {t}",
    lambda t: f"{t}\t",
    lambda t: f"{t}\n",
    lambda t: f"{t}\x00",
    lambda t: f"{t}/x",
    lambda t: f"{t}{t}",
    lambda t: f"../{t}",
    lambda t: f"..%2f{t}",
    lambda t: quote(t.replace(".", "%2E")),
    lambda t: f"none.{t}",
    lambda t: f"none.{t.partition('.')[2]}",
    lambda t: f"HS256.{t.partition('.')[2]}",
    lambda t: f"eyJhbGciOiJub25lIn0.{t.partition('.')[2]}.",
    lambda t: f"old.{t.partition('.')[2]}",
    lambda t: f"nope.{t.partition('.')[2]}",
    lambda t: f"../new.{t.partition('.')[2]}",
    lambda t: f"/dev/null.{t.partition('.')[2]}",
    lambda t: t.partition(".")[2],
    lambda t: f"new.{tokens.hash_of(t)}",
    lambda t: tokens.hash_of(t),
    lambda t: t.replace(".", "．"),
    lambda t: t.replace("n", "ո"),
    lambda t: t.upper(),
    lambda t: t.lower(),
    lambda t: "A" * 3_000,
    lambda t: "A" * 1_000_000,
]


@attack(SECTION, guard="the token's hash and MAC", without=anyone)
def another_spelling_of_a_token_opens(lab: Lab) -> object:
    seen = lab.review()
    return shown(lab, (f"/{seen.target}/{change(seen.token)}" for change in SPELLINGS))


def from_the_query(known: Any, request: Any) -> Any:
    return known.all()[0], request.args.get("token", "")


@attack(
    SECTION,
    guard="the token is taken from the path alone",
    without=replaced("penstock.entrypoints.review._address", from_the_query),
)
def a_token_in_the_query_opens(lab: Lab) -> object:
    seen = lab.review()
    asked = (f"token={seen.token}", f"token=x&token={seen.token}", f"token={seen.token}&token=x")
    return shown(lab, (f"{path}?{query}" for query in asked for path in ("/", f"/{seen.target}", f"/{seen.target}/x")))


# links that were never given out, or for something else -------------------------------------------------------------------

unmade = replaced("penstock.core.tokens.is_made_for", lambda *_: True)


@attack(SECTION, guard="the MAC over all that a link is bound to", without=unmade)
def a_link_whose_record_was_altered_opens(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    held, path = lab.link(seen), layout.token(tokens.hash_of(seen.token))
    later = held["expires_at"].plus(365 * 24 * HOUR)
    others = {"recipient": SECOND, "digest": "other", "purpose": "look", "serial": 2, "expires_at": later, "key_id": "old"}
    for name, other in others.items():
        lab.ctx.store.commit([Update(path, {name: other}, ((name,),))])
        gained = shown(lab, [seen.path])
        lab.ctx.store.commit([Update(path, {name: held[name]}, ((name,),))])
        if gained:
            return f"another {name}"
    assert shown(lab, [seen.path]), "the link opens as it was given out"
    return None


@attack(SECTION, guard="the MAC under a key of ours", without=unmade)
def a_link_made_with_a_key_of_the_attackers_own_opens(lab: Lab) -> object:
    """Also a link of another environment that has a key by the same name, with its record copied along."""
    seen = lab.review()
    ids = ("nope", "new", "", "../new", "new/../new", "none", "/etc/hostname")
    return shown(lab, (lab.given_out(seen, id, hashlib.sha256(b"attacker").digest(), serial=7).path for id in ids))


@attack(SECTION, guard="a link is good for its purpose alone", without=replaced("penstock.core.tokens.DECIDE", "look"))
def a_link_for_another_purpose_decides(lab: Lab) -> object:
    seen = lab.given_out(lab.review(fresh=True), purpose="look")
    return decided(lab, seen) or decided(lab, seen, verdict="reject")


def of_any_target(held: Any) -> Grant:
    return Grant(**{f.name: held[f.name] for f in fields(Grant)} | {"target": Everything(held["target"])})


@attack(SECTION, guard="a link belongs to one target", without=replaced("penstock.core.tokens.grant_of", of_any_target))
def the_link_of_one_tenant_opens_at_another_in_the_same_database(lab: Lab) -> object:
    seen = lab.review()
    (other,) = (Context(lab.ctx.ports, lab.ctx.pipeline, replace(lab.ctx.target, name=name)) for name in ("elsewhere",))
    try:
        return decide.find_link(other, seen.token).grant
    except PenstockError:
        return None


# time -----------------------------------------------------------------------------------------------------------------------


real_clock = wiring.clock


def clock_behind(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("penstock.wiring.clock", lambda: real_clock().plus(-5 * HOUR))


@attack(SECTION, guard="the expiry, by the server's own clock", without=clock_behind)
def a_link_decides_a_second_after_it_expired(lab: Lab) -> object:
    seen = lab.given_out(lab.review(fresh=True), expires_at=real_clock().plus(-1))
    with lab.browser() as browser:
        browser.headers.update(dict.fromkeys(("Date", "If-Unmodified-Since"), "Mon, 02 Mar 2026 08:00:00 GMT"))
        browser.post(seen.path, data=lab.form(seen, browser))
    return lab.batch(seen).decisions


@attack(SECTION, guard="keys are retired", without=clock_behind)
def a_link_of_a_retired_key_opens(lab: Lab) -> object:
    seen = lab.review()
    assert shown(lab, [lab.given_out(seen, "old").path]), "one in its grace does"
    return shown(lab, [lab.given_out(seen, "gone").path])


# twice, and at once -----------------------------------------------------------------------------------------------------------


def never_decided(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks whether the batch takes decisions, or the link is still open."""
    patch.setattr("penstock.use_cases.decide._admit_link", lambda *_: None)
    patch.setattr("penstock.use_cases.context.move", lambda id, now, to: to)


@attack(SECTION, guard="the batch's status", without=never_decided)
def the_link_of_an_older_run_decides(lab: Lab) -> object:
    """On its own batch, or on the one that took its place."""
    old, new = lab.review(fresh=True), lab.review(fresh=True)
    assert old.batch != new.batch
    lab.send(old)
    lab.send(replace(new, token=old.token), code=old.code)
    lab.send(new, code=old.code)
    return lab.batch(old).decisions or lab.batch(new).decisions


def without_preconditions(patch: pytest.MonkeyPatch) -> None:
    real = FirestoreStore.commit
    patch.setattr(FirestoreStore, "commit", lambda self, writes: real(self, [replace(w, precondition=None) for w in writes]))


@attack(SECTION, guard="the batch's status, and the link's", without=both(never_decided, without_preconditions))
def a_used_link_decides_again(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    with lab.browser() as browser:
        form = lab.form(seen, browser)
        assert browser.post(seen.path, data=form).status_code == 200
        for verdict in ("approve", "reject"):
            browser.post(seen.path, data={**form, "verdict": verdict})
    return lab.batch(seen).decisions[1:]


@attack(SECTION, guard="the deciding commit's preconditions", without=without_preconditions)
def of_a_hundred_uses_at_once_more_than_one_decides(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    limits = httpx.Limits(max_connections=100)
    with httpx.Client(base_url=lab.url(), timeout=120, limits=limits) as browser, ThreadPoolExecutor(100) as pool:
        form = lab.form(seen, browser)
        sent = pool.map(lambda n: browser.post(seen.path, data=form | {"verdict": ("approve", "reject")[n % 2]}), range(100))
        won = [answer for answer in sent if answer.status_code == 200]
    assert won, "one decides"
    assert len(lab.batch(seen).decisions) >= 1
    return won[1:] or lab.batch(seen).decisions[1:]


# codes ----------------------------------------------------------------------------------------------------------------------


@attack(SECTION, guard="the code beside the link", without=replaced("penstock.core.tokens.same_code", lambda *_: True))
def whoever_has_the_link_alone_decides(lab: Lab) -> object:
    return decided(lab, lab.review(), code=WRONG)


def of_nobody(patch: pytest.MonkeyPatch) -> None:
    """Codes that are bound to everything but the recipient."""
    real = tokens._mac
    anyone = lambda word, grant: replace(grant, recipient="") if word == "code" else grant  # noqa: E731
    patch.setattr("penstock.core.tokens._mac", lambda keys, id, word, grant: real(keys, id, word, anyone(word, grant)))


@attack(SECTION, guard="the code is bound to its recipient", without=of_nobody)
def the_code_of_another_approvers_mail_decides(lab: Lab) -> object:
    return decided(lab, lab.review(FIRST), code=lab.review(SECOND).code)


@attack(SECTION, guard="five tries", without=replaced("penstock.core.tokens.MAX_TRIES", 10**6))
def a_code_is_found_by_trying(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    with lab.browser() as browser:
        form = lab.form(seen, browser)
        for n in range(12):
            browser.post(seen.path, data={**form, "code": f"22222{'23456789ABCD'[n]}"})
        browser.post(seen.path, data=form)
    return lab.batch(seen).decisions


@attack(
    SECTION,
    guard="every answer about a code takes a turn",
    without=replaced("penstock.use_cases.decide._take_turn", lambda *_: None),
)
def codes_sent_at_the_same_time_are_answered_and_not_counted(lab: Lab) -> object:
    """All of them see the link as it was before any was counted. The right one among them must not stand out, least of all by a
    form that is refused for something else and costs nothing."""
    world = World()
    net.feed(world, net.network(range(1, 4)))
    world.run()
    token, code = world.link()
    before = decide.find_link(world.ctx, token)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide, "find_link", lambda *_: before)
        told = []
        for typed in (WRONG, "333333", code, "444444"):
            try:
                decide_by_link(world.ctx, token, typed, Said("approve", changes={"no/such": "approve"}))
            except PenstockError as answer:
                told.append(str(answer))
    return len(set(told[1:])) > 1


# what a token is made of --------------------------------------------------------------------------------------------------------


def forgets(name: str) -> Without:
    def out(patch: pytest.MonkeyPatch) -> None:
        real = tokens._mac
        patch.setattr(
            tokens, "_mac", lambda keys, id, word, grant: real(keys, id, word, replace(grant, **{name: getattr(GRANT, name)}))
        )

    return out


def bound_to(name: str) -> None:
    def tried(lab: Lab) -> object:
        other = replace(GRANT, **{name: {"serial": 2, "expires_at": Timestamp(1_790_000_001)}.get(name, "other")})
        given = tokens.token(KEYS, "new", GRANT)
        same_code = tokens.code(KEYS, "new", GRANT) == tokens.code(KEYS, "new", other)
        return tokens.is_made_for(KEYS, "new", other, given) or same_code

    tried.__name__ = f"a_token_or_code_is_good_for_another_{name}"
    attack(SECTION, guard=f"the MAC is over the {name}", without=forgets(name))(tried)


for field in fields(Grant):
    bound_to(field.name)


def end_to_end(keys: Any, key_id: str, word: str, grant: Grant) -> bytes:
    """The MAC over the parts without their lengths."""
    message = "".join([word, *(str(getattr(grant, f.name)) for f in fields(Grant))])
    return hmac.new(keys[key_id], message.encode(), hashlib.sha256).digest()


@attack(SECTION, guard="the length of each part is in the MAC", without=replaced("penstock.core.tokens._mac", end_to_end))
def a_text_moved_across_the_border_of_two_parts_is_the_same_link(lab: Lab) -> object:
    names = [f.name for f in fields(Grant)][:5]  # those that are text
    for one, other in pairwise(names):
        given = tokens.token(KEYS, "new", replace(GRANT, **{one: "ab", other: "c"}))
        if tokens.is_made_for(KEYS, "new", replace(GRANT, **{one: "a", other: "bc"}), given):
            return f"{one} and {other}"
    return None


def plain_hash(key: bytes, message: bytes, _: Any) -> Any:
    return hashlib.sha256(key + message)


@attack(
    SECTION,
    guard="HMAC, not a hash of key and message",
    without=replaced("penstock.core.tokens.hmac", SimpleNamespace(new=plain_hash, compare_digest=hmac.compare_digest)),
)
def a_mac_is_lengthened_without_the_key(lab: Lab) -> object:
    key, message, tail = KEYS["new"], b"what the attacker knows", b"what the attacker adds"
    known = tokens.hmac.new(key, message, hashlib.sha256).digest()
    forged, glue = lengthened(known, len(key) + len(message), tail)
    return forged == tokens.hmac.new(key, message + glue + tail, hashlib.sha256).digest()


def lengthened(known: bytes, length: int, tail: bytes) -> tuple[bytes, bytes]:
    """The SHA-256 of a text of `length` bytes whose digest is `known`, its padding, and `tail`; and that padding."""

    def padding(size: int) -> bytes:
        return b"\x80" + bytes(-(size + 9) % 64) + (size * 8).to_bytes(8, "big")

    glue = padding(length)
    state = [int.from_bytes(known[i : i + 4], "big") for i in range(0, 32, 4)]
    rest = tail + padding(length + len(glue) + len(tail))
    for start in range(0, len(rest), 64):
        state = _compressed(state, rest[start : start + 64])
    return b"".join(word.to_bytes(4, "big") for word in state), glue


PRIMES = [n for n in range(2, 312) if all(n % d for d in range(2, n))]


def cube_root(number: int) -> int:
    root = 1 << -(-number.bit_length() // 3)
    while root**3 > number:
        root = (2 * root + number // root**2) // 3
    return root


ROUNDS = [cube_root(prime << 96) & 0xFFFFFFFF for prime in PRIMES]


def _compressed(state: list[int], block: bytes) -> list[int]:
    """One step of SHA-256, from a state that the library does not let one set."""

    def turned(word: int, by: int) -> int:
        return (word >> by | word << 32 - by) & 0xFFFFFFFF

    words = [int.from_bytes(block[i : i + 4], "big") for i in range(0, 64, 4)]
    for i in range(16, 64):
        low = turned(words[i - 15], 7) ^ turned(words[i - 15], 18) ^ words[i - 15] >> 3
        high = turned(words[i - 2], 17) ^ turned(words[i - 2], 19) ^ words[i - 2] >> 10
        words.append((words[i - 16] + low + words[i - 7] + high) & 0xFFFFFFFF)
    a, b, c, d, e, f, g, h = state
    for word, constant in zip(words, ROUNDS, strict=True):
        one = h + (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + (e & f ^ ~e & g) + constant + word
        two = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (one + two) & 0xFFFFFFFF, a, b, c, (d + one) & 0xFFFFFFFF, e, f, g
    return [(old + new) & 0xFFFFFFFF for old, new in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


# compares and keys -------------------------------------------------------------------------------------------------------------


def compared_plainly(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tokens, "same_code", lambda typed, right: typed == right)


@attack(SECTION, guard="secrets are compared in constant time", without=compared_plainly)
def the_time_of_a_compare_tells_how_much_of_a_secret_is_right(lab: Lab) -> object:
    """Gains the compares that do not go through the one that takes the same time for every answer."""
    through: list[bytes] = []
    with pytest.MonkeyPatch.context() as patch:
        watched = SimpleNamespace(new=hmac.new, compare_digest=lambda a, b: through.append(b) or hmac.compare_digest(a, b))
        patch.setattr(tokens, "hmac", watched)
        compares = {
            "token": lambda: tokens.is_made_for(KEYS, "new", GRANT, "new.x"),
            "code": lambda: tokens.same_code(WRONG, tokens.code(KEYS, "new", GRANT)),
            "nonce": lambda: tokens.is_nonce("x", KEYS["new"], "session", "token"),
        }
        return [name for name, compare in compares.items() if len(through) == (compare(), len(through))[1]]


MADE_UP = [
    "00" * 32,
    "ab" * 32,
    "0123456789abcdef" * 4,
    "deadbeef" * 8,
    b"changeme-changeme-changeme-change".hex(),
    "secret",
    "",
    "k",
]


@attack(SECTION, guard="a key has 32 bytes that differ", without=replaced("penstock.core.keyring.DIFFERENT", 0))
def a_service_starts_with_an_empty_or_made_up_key(lab: Lab) -> object:
    for digits in MADE_UP:
        try:
            wiring.ports(read({**lab.stack.env, "PENSTOCK_KEYS": f"k1:{digits}" if digits else ""}))
        except PenstockError:
            continue
        return digits
    return None


@attack(
    SECTION, guard="the digest of what was shown", without=replaced("penstock.use_cases.staging.demand_shown", lambda _: None)
)
def a_batch_that_became_other_packs_after_the_mail_is_decided(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    lab.ctx.store.commit([Update(layout.batch(seen.batch), {"pack_digests": ["0" * 64]}, (("pack_digests",),))])
    return decided(lab, seen)


def any_digest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("penstock.use_cases.decide._admit_link", lambda *_: None)
    patch.setattr("penstock.use_cases.staging.demand_shown", lambda _: None)


@attack(SECTION, guard="the link is bound to the digest that was mailed", without=any_digest)
def a_batch_that_became_another_after_the_mail_is_decided(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    lab.ctx.store.commit([Update(layout.batch(seen.batch), {"digest": "0" * 64}, (("digest",),))])
    return decided(lab, seen)
