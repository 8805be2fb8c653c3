"""Workers called by those who may not, and messages that no worker can use."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from attacks.lab import Lab
from attacks.registry import Without, attack, both, replaced
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt
from penstock.adapters import identity
from penstock.entrypoints import http, workers
from penstock.local.identity import ISSUER, Issuer

SECTION = "service endpoints"
WORKERS = ("capture", "check", "promote", "dead_letter", "sweep")
STRANGER = "somebody@elsewhere.iam.gserviceaccount.com"
HARMLESS = {"pipeline": "none", "batch": "none", "pack": "0"}  # what a worker answers once it has let the caller in
Given = Mapping[str, Any]


class Anything:
    """Holds everything."""

    def __contains__(self, _: object) -> bool:
        return True


def let_in(lab: Lab, *headers: Callable[[str], Given], path: str = "/") -> list[str]:
    """The workers that let in a caller with these headers, made for each one's audience. Several callers are tried at one worker
    after the other; a single one at all."""
    at = WORKERS * (-(-len(headers) // len(WORKERS)))
    found = []
    for function, made_for in zip(at, headers if len(headers) > 1 else headers * len(at), strict=False):
        url = lab.url(function)
        if post(url + path, made_for(url), json={} if function == "sweep" else HARMLESS).status_code == 200:
            found.append(function)
    return found


def post(url: str, headers: Given, **body: Any) -> httpx.Response:
    return httpx.post(url, headers=dict(headers), timeout=60, verify=False, **body)


def bearer(token: str) -> Given:
    return {"Authorization": f"Bearer {token}"}


def claims(lab: Lab, audience: str, **other: Any) -> dict[str, Any]:
    """A right token's claims, but for what is said."""
    now, account = int(time.time()), lab.stack.spec.account
    right = {
        "iss": ISSUER,
        "aud": audience,
        "email": account,
        "email_verified": True,
        "sub": account,
        "iat": now,
        "exp": now + 3600,
    }
    return {name: value for name, value in {**right, **other}.items() if value is not None}


def signed(lab: Lab, audience: str, **other: Any) -> str:
    """By the issuer that the workers trust."""
    token: bytes = jwt.encode(lab.issuer._signer, claims(lab, audience, **other))  # type: ignore[no-untyped-call]
    return token.decode()


def known_key(lab: Lab) -> tuple[str, str]:
    """(id, certificate) of the issuer, as it publishes them."""
    with urllib.request.urlopen(lab.issuer.certs_url) as answer:
        ((key_id, certificate),) = json.load(answer).items()
    return key_id, certificate


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def made(header: Given, payload: Given, sign: Callable[[bytes], bytes]) -> str:
    body = f"{part(header)}.{part(payload)}"
    return f"{body}.{base64.urlsafe_b64encode(sign(body.encode())).decode().rstrip('=')}"


def verifying(change: Callable[[dict[str, Any]], object]) -> Without:
    """Takes one check of the verification out, by what is given to it."""
    whole = identity.verify

    def verify(header: str | None, audience: str, accounts: Any, certs_url: str, issuers: Any = identity.GOOGLE_ISSUERS) -> str:
        given = {"header_value": header, "audience": audience, "accounts": accounts, "certs_url": certs_url, "issuers": issuers}
        change(given)
        return whole(**given)

    return replaced("penstock.adapters.identity.verify", verify)


def decoding(change: Callable[[dict[str, Any]], object] = lambda _: None, **options: Any) -> Without:
    """Takes one check of the library out, or of what is made of its answer."""
    whole = jwt.decode

    def decode(token: str, **given: Any) -> Any:
        found = whole(token, **{**given, **options})  # type: ignore[no-untyped-call]
        change(found)
        return found

    return replaced("google.auth.jwt.decode", decode)


NOBODY_ASKED = replaced("penstock.adapters.identity.verify", lambda *_: "anybody")


# who calls ------------------------------------------------------------------------------------------------------------------


@attack(SECTION, guard="the bearer token", without=NOBODY_ASKED)
def a_caller_without_a_token_is_let_in(lab: Lab) -> object:
    said = ("", "Bearer", "Basic cm9vdDpyb290", "Bearer x", "Bearer x.y.z")
    return let_in(lab, lambda _: {}) + let_in(lab, *(lambda _, word=word: {"Authorization": word} for word in said))


@attack(SECTION, guard="the bearer token", without=NOBODY_ASKED)
def headers_that_anybody_can_write_open_a_worker(lab: Lab) -> object:
    account = lab.stack.spec.account
    forged = {
        "X-CloudScheduler": "true",
        "X-CloudScheduler-JobName": "fibre_network",
        "X-CloudScheduler-ScheduleTime": "2026-01-01T00:00:00Z",
        "X-Forwarded-For": "127.0.0.1",
        "X-Forwarded-User": account,
        "X-Forwarded-Email": account,
        "X-Goog-Authenticated-User-Email": f"accounts.google.com:{account}",
        "X-Goog-Iap-Jwt-Assertion": "x.y.z",
        "X-Appengine-Cron": "true",
        "X-Apigateway-Api-Userinfo": part({"email": account}),
        "User-Agent": "Google-Cloud-Scheduler",
        "From": "noreply@google.com",
    }

    def elsewhere(url: str) -> Given:
        """A token that passes, in places where it is not looked for."""
        token = lab.issuer.mint(url, account)
        return {**forged, "X-Serverless-Authorization": f"Bearer {token}", "Cookie": f"Authorization=Bearer {token}"}

    return let_in(lab, elsewhere) + let_in(lab, lambda _: forged, path="/?access_token=x&key=y")


@attack(SECTION, guard="the token's audience", without=decoding(audience=None))
def a_token_for_another_audience_is_let_in(lab: Lab) -> object:
    """Of another worker of ours (what a push to one could be used for at the other), of the review, of nobody, of a beginning."""
    of = {name: lab.url(name) for name in WORKERS}
    others: list[Callable[[str], Any]] = [
        lambda url: next(other for other in of.values() if other != url),
        lambda _: lab.url("review"),
        lambda _: "32555940559.apps.googleusercontent.com",
        lambda _: None,
        lambda url: url + "/",
        lambda url: url[:-1],
        lambda _: "",
    ]
    return let_in(lab, *(lambda url, other=other: bearer(signed(lab, other(url))) for other in others))


@attack(SECTION, guard="the accounts that may call", without=verifying(lambda given: given.update(accounts=Anything())))
def another_account_with_the_right_audience_is_let_in(lab: Lab) -> object:
    """Also what a subscription of somebody else's pushes: it is signed for their account."""
    account = lab.stack.spec.account
    others: list[Any] = [STRANGER, account.upper(), f" {account}", f"{account}\n", account + ".evil.example", "", account[:-1]]
    push = {"message": {"data": "e30=", "messageId": "1"}, "subscription": "projects/theirs/subscriptions/s"}
    found = let_in(lab, *(lambda url, other=other: bearer(signed(lab, url, email=other)) for other in others))
    url = lab.url("check")
    if post(url, bearer(signed(lab, url, email=STRANGER)), json=push).status_code == 200:
        found.append("check, by a foreign subscription")
    return found


@attack(SECTION, guard="the address is verified", without=decoding(lambda claims: claims.update(email_verified=True)))
def an_address_that_nobody_verified_is_let_in(lab: Lab) -> object:
    said = (False, None, "true", 1, "")
    return let_in(lab, *(lambda url, word=word: bearer(signed(lab, url, email_verified=word)) for word in said))


@attack(SECTION, guard="the issuer", without=verifying(lambda given: given.update(issuers=Anything())))
def another_issuers_token_is_let_in(lab: Lab) -> object:
    others = (
        "https://accounts.google.com.evil.example",
        "https://securetoken.google.com/project",
        "http://accounts.google.com",
        "",
    )
    return let_in(lab, *(lambda url, iss=iss: bearer(signed(lab, url, iss=iss)) for iss in others))


@attack(SECTION, guard="the token's times", without=replaced("google.auth.jwt._verify_iat_and_exp", lambda *_, **__: None))
def a_token_out_of_its_time_is_let_in(lab: Lab) -> object:
    now = int(time.time())
    times = [
        {"iat": now - 7_200, "exp": now - 3_600},
        {"iat": now - 3_620, "exp": now - 20},  # by more than clocks may differ
        {"iat": now + 600, "exp": now + 4_200},
        {"iat": now + 60, "exp": now + 3_660},
    ]
    return let_in(lab, *(lambda url, of=of: bearer(signed(lab, url, **of)) for of in times))


# how it is signed -----------------------------------------------------------------------------------------------------------


class Forger:
    """Has a key of its own, and serves it as if it were an issuer."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
        form = serialization.PrivateFormat.TraditionalOpenSSL
        pem = self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        self.signer: Any = crypt.RSASigner.from_string(pem, "forged")  # type: ignore[no-untyped-call]
        self.public = self.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def token(self, header: Given, payload: Given) -> str:
        return made({"alg": "RS256", "typ": "JWT", **header}, payload, self.signer.sign)


def trusting(token: str, certs: Given, audience: str, **_: Any) -> dict[str, Any]:
    """As a verifier that believes what the token says of itself: algorithm, key, and where the key is."""
    body, _, mac = token.rpartition(".")
    header, payload = (json.loads(base64.urlsafe_b64decode(p + "==")) for p in body.split("."))
    signature = base64.urlsafe_b64decode(mac + "==")
    (key,) = certs.values()
    if header["alg"] == "none":
        good = True
    elif header["alg"] == "HS256":
        good = hmac.compare_digest(signature, hmac.new(key.encode(), body.encode(), hashlib.sha256).digest())
    else:
        if "jwk" in header:
            number = {n: int.from_bytes(base64.urlsafe_b64decode(header["jwk"][n] + "=="), "big") for n in "ne"}
            of = rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()
            key = of.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        elif where := header.get("jku") or header.get("x5u"):
            with urllib.request.urlopen(where) as answer:
                (key,) = json.load(answer).values()
        good = crypt.verify_signature(body.encode(), signature, key)  # type: ignore[no-untyped-call]
    if not good or payload["aud"] != audience:
        raise ValueError("is not good")
    return dict(payload)


BELIEVED = replaced("google.auth.jwt.decode", trusting)


@attack(SECTION, guard="the algorithm is the key's, not the token's", without=BELIEVED)
def a_token_signed_with_the_public_key_as_a_secret_is_let_in(lab: Lab) -> object:
    key_id, certificate = known_key(lab)

    def forged(url: str) -> Given:
        header = {"alg": "HS256", "typ": "JWT", "kid": key_id}
        return bearer(made(header, claims(lab, url), lambda b: hmac.new(certificate.encode(), b, hashlib.sha256).digest()))

    return let_in(lab, forged)


@attack(SECTION, guard="the algorithm is the key's, not the token's", without=BELIEVED)
def a_token_that_nobody_signed_is_let_in(lab: Lab) -> object:
    key_id, _ = known_key(lab)

    def unsigned(name: str) -> Callable[[str], Given]:
        return lambda url: bearer(made({"alg": name, "typ": "JWT", "kid": key_id}, claims(lab, url), lambda _: b""))

    return let_in(lab, *map(unsigned, ("none", "None", "NONE", "nOnE", "", "HS512", "RS1")))


@attack(SECTION, guard="keys come from the issuer's address alone", without=BELIEVED)
def a_token_that_brings_its_own_key_is_let_in(lab: Lab) -> object:
    key_id, _ = known_key(lab)
    forger = Forger()
    numbers = forger.key.public_key().public_numbers()

    def number(n: int) -> str:
        return base64.urlsafe_b64encode(n.to_bytes((n.bit_length() + 7) // 8, "big")).decode().rstrip("=")

    jwk = {"kty": "RSA", "alg": "RS256", "kid": key_id, "n": number(numbers.n), "e": number(numbers.e)}
    found = let_in(lab, lambda url: bearer(forger.token({"kid": key_id, "jwk": jwk}, claims(lab, url))))
    theirs = Issuer()
    try:
        for name in ("jku", "x5u"):
            header = {"alg": "RS256", "typ": "JWT", "kid": key_id, name: theirs.certs_url}
            found += let_in(lab, lambda url, of=header: bearer(made(of, claims(lab, url), theirs._signer.sign)))
    finally:
        theirs.stop()
    return found


@attack(SECTION, guard="the signature", without=replaced("google.auth.crypt.verify_signature", lambda *_: True))
def a_token_that_somebody_else_signed_is_let_in(lab: Lab) -> object:
    """Under the issuer's key id; a right one that was cut; and one whose claims were exchanged."""
    key_id, _ = known_key(lab)
    forger = Forger()

    def exchanged(url: str) -> Given:
        head, _, mac = signed(lab, url, email=STRANGER).split(".")
        return bearer(f"{head}.{part(claims(lab, url))}.{mac}")

    return [
        *let_in(lab, lambda url: bearer(forger.token({"kid": key_id}, claims(lab, url)))),
        *let_in(lab, lambda url: bearer(signed(lab, url)[:-8])),
        *let_in(lab, exchanged),
    ]


def _served_by_review(patch: pytest.MonkeyPatch) -> None:
    NOBODY_ASKED(patch)
    patch.setattr("penstock.entrypoints.review.review", lambda request: workers.capture(request))


@attack(SECTION, guard="the public service serves the page alone", without=_served_by_review)
def a_worker_is_reached_through_the_public_service(lab: Lab) -> object:
    """With a token that would pass anywhere."""
    url = lab.url("review")
    token = bearer(signed(lab, url))
    body = {"pipeline": lab.ctx.pipeline.name, "mode": "no mode"}
    paths = ("/", "/capture", "/sweep", "/promote", "/_ah/push-handlers/check", "//capture", "/..%2fcapture")
    answers = [post(url + path, token, json=body) for path in paths]
    return [str(a.url) for a in answers if "json" in a.headers["Content-Type"] and "done" in a.json()]


# what they send -------------------------------------------------------------------------------------------------------------


def push(data: Any) -> bytes:
    return json.dumps({"message": {"data": data, "messageId": "1"}, "subscription": "projects/p/subscriptions/s"}).encode()


def wrapped(value: Any) -> bytes:
    return push(base64.b64encode(json.dumps(value).encode()).decode())


GONE = "fibre_network.fibreflow.20260101t000000-000000"
HOPELESS = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe{}",
    "a list": b"[1]",
    "too deep": b"[" * 200_000,
    "10 MB": push("A" * 10_000_000),
    "10 MB, encoded": push(base64.b64encode(b"{" * 10_000_000).decode()),
    "broken base64": push("%%%"),
    "no text": push(7),
    "no JSON within": push(base64.b64encode(b"nothing").decode()),
    "a list within": wrapped([1]),
    "no pack": wrapped({"batch": GONE}),
    "no number": wrapped({"batch": GONE, "pack": "one"}),
    "no finite number": wrapped({"batch": GONE, "pack": float("inf")}),
    "a batch that never was": wrapped({"batch": GONE, "pack": "0"}),
    "a path": wrapped({"batch": "../../users/u1", "pack": "0"}),
    "another target": wrapped({"batch": "other.target.20260101t000000-000000", "pack": "0"}),
}


def _never_malformed(patch: pytest.MonkeyPatch) -> None:
    """As if whatever is wrong with a message were a failure that may pass."""
    patch.setattr(http, "Malformed", http.Unavailable)
    patch.setattr(workers, "Malformed", http.Unavailable)
    patch.setattr(http, "NotFound", type("Other", (http.NotFound,), {}))


@attack(SECTION, guard="what no try can use is acknowledged", without=_never_malformed)
def a_message_that_nobody_can_use_comes_again_for_ever(lab: Lab) -> object:
    back = []
    for function in ("check", "promote", "dead_letter"):
        url = lab.url(function)
        for name, body in HOPELESS.items():
            answer = post(url, bearer(signed(lab, url)), content=body)
            if answer.status_code != 200:
                back.append(f"{name} to {function}: {answer.status_code}")
    return back


@attack(
    SECTION,
    guard="a batch id leads to its own target",
    without=both(
        replaced("penstock.wiring.Contexts.of_batch", lambda known, batch: known.all()[0]),
        replaced("penstock.core.layout.target_of", lambda batch: batch),
    ),
)
def a_message_names_its_own_place(lab: Lab) -> object:
    """Another collection, database or project beside the pack, and in the batch's name. What is refused is told by its id being
    none, what is looked for by not being there."""
    url = lab.url("check")
    elsewhere = {"project": "demo-stranger", "database": "other", "collection": "users", "path": "users/u1", "target": "users"}
    found = []
    for batch in ("users/u1", "x/../../users", f"{GONE}/x/y", f"projects/p/databases/d/documents/{GONE}"):
        message = wrapped({"batch": batch, "pack": "0", **elsewhere})
        answer = post(url, bearer(signed(lab, url)), content=message)
        if answer.status_code != 200 or "names no pack" not in answer.text:
            found.append(f"{batch}: {answer.text[:200]}")
    return found
