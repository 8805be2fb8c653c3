"""Tokens of the local issuer pass the same verification as Google's, and every push of Pub/Sub carries one."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.auth.transport.requests import Request
from google.oauth2 import id_token
from penstock.adapters.identity import verify
from penstock.core.errors import Refused
from penstock.local.gateway import Gateway, Route
from penstock.local.http_server import Handler, Server
from penstock.local.identity import Issuer
from penstock.local.processes import free_port

AUDIENCE, ACCOUNT = "https://check", "pusher@demo"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.stop()


def test_googles_own_verification_accepts_a_token(issuer: Issuer) -> None:
    transport = Request()
    claims = id_token.verify_token(issuer.mint(AUDIENCE, ACCOUNT), transport, AUDIENCE, certs_url=issuer.certs_url)
    transport.session.close()
    assert (claims["email"], claims["email_verified"], claims["aud"]) == (ACCOUNT, True, AUDIENCE)


def test_the_endpoints_verification_accepts_it_and_refuses_another_audience_account_or_issuer(issuer: Issuer) -> None:
    bearer = f"Bearer {issuer.mint(AUDIENCE, ACCOUNT)}"
    assert verify(bearer, AUDIENCE, frozenset({ACCOUNT}), certs_url=issuer.certs_url) == ACCOUNT
    with pytest.raises(Refused):
        verify(bearer, "https://promote", frozenset({ACCOUNT}), certs_url=issuer.certs_url)
    with pytest.raises(Refused):
        verify(bearer, AUDIENCE, frozenset({"somebody@demo"}), certs_url=issuer.certs_url)
    other = Issuer()
    with pytest.raises(Refused):
        verify(bearer, AUDIENCE, frozenset({ACCOUNT}), certs_url=other.certs_url)
    other.stop()


class Function:
    """What stands behind the gateway."""

    def __init__(self, status: int = 200, seconds: float = 0.0, port: int = 0) -> None:
        self.seen: list[tuple[dict[str, str], bytes]] = []
        function = self

        class Answers(Handler):
            def do_POST(self) -> None:
                function.seen.append((dict(self.headers), self.body()))
                time.sleep(seconds)
                self.answer(b"" if status == 204 else b'{"said": "so"}', "application/json", status)

        self.server = Server(Answers, port)


def push(url: str, body: bytes = b'{"message": {}}') -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json", "X-Trace": "t1"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


@pytest.mark.parametrize("status", [200, 204, 429, 500, 503])
def test_a_push_reaches_its_function_with_a_token_and_the_status_comes_back(issuer: Issuer, status: int) -> None:
    function = Function(status)
    gateway = Gateway({"check": Route(f"{function.server.url}/x", AUDIENCE, ACCOUNT)}, issuer.mint)
    answered, _ = push(f"{gateway.url}/check", b'{"message": {"data": "aGk="}}')
    (headers, body) = function.seen[0]
    assert answered == status
    assert body == b'{"message": {"data": "aGk="}}'
    assert (headers["Content-Type"], headers["X-Trace"]) == ("application/json", "t1")
    assert verify(headers["Authorization"], AUDIENCE, frozenset({ACCOUNT}), certs_url=issuer.certs_url) == ACCOUNT
    gateway.stop()
    function.server.stop()


def test_a_function_that_is_down_is_a_503_and_one_that_came_back_is_found(issuer: Issuer) -> None:
    port = free_port()
    gateway = Gateway({"check": Route(f"http://127.0.0.1:{port}", AUDIENCE, ACCOUNT)}, issuer.mint)
    assert push(f"{gateway.url}/check")[0] == 503
    function = Function(port=port)
    assert push(f"{gateway.url}/check") == (200, b'{"said": "so"}')
    function.server.stop()
    gateway.stop()


def test_an_unknown_function_is_a_404(issuer: Issuer) -> None:
    gateway = Gateway({}, issuer.mint)
    assert push(f"{gateway.url}/nobody")[0] == 404
    gateway.stop()


def test_a_slow_function_does_not_hold_up_another(issuer: Issuer) -> None:
    slow, quick = Function(seconds=1.5), Function()
    routes = {"slow": Route(slow.server.url, AUDIENCE, ACCOUNT), "quick": Route(quick.server.url, AUDIENCE, ACCOUNT)}
    gateway = Gateway(routes, issuer.mint)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(push, f"{gateway.url}/slow")
        started = time.monotonic()
        assert push(f"{gateway.url}/quick")[0] == 200
        assert time.monotonic() - started < 1.0
        assert waiting.result()[0] == 200
    for server in (slow.server, quick.server, gateway):
        server.stop()
