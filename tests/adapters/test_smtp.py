"""Mail, against a real SMTP server."""

from __future__ import annotations

import datetime as dt
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from penstock.adapters.memory_services import MemoryMailer
from penstock.adapters.smtp import SmtpMailer, compose
from penstock.core.errors import InvalidInput, Unavailable
from penstock.ports import Message

MESSAGE = Message(
    "batch-7/review:thandi", "thandi@example.com", "To decide: 12 poles – Lawley", "Code K7M\n.\nend", "<p>Code <b>K7M</b></p>"
)


class Box:
    """Keeps what arrives; refuses addresses at `nowhere.example`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]) -> str:
        if address.endswith("@nowhere.example"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        return "250 OK"


def start(box: Box, **options: Any) -> Controller:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    controller = Controller(box, hostname="127.0.0.1", port=port, **options)
    controller.start()
    return controller


def mailer(controller: Controller, **fields: Any) -> SmtpMailer:
    return replace(SmtpMailer("127.0.0.1", controller.port, "penstock@example.com", security="none"), **fields)


@pytest.fixture
def box() -> Box:
    return Box()


@pytest.fixture
def server(box: Box) -> Iterator[Controller]:
    controller = start(box)
    yield controller
    controller.stop()


def test_a_mail_arrives_with_both_texts_and_its_own_id(server: Controller, box: Box) -> None:
    mailer(server).send(MESSAGE)
    (mail,) = box.mails
    assert (mail["From"], mail["To"], mail["Subject"]) == ("Penstock <penstock@example.com>", MESSAGE.to, MESSAGE.subject)
    assert mail["Message-ID"] == "<batch-7%2Freview%3Athandi@example.com>"
    assert mail.get_content_type() == "multipart/alternative"
    plain, html = mail.iter_parts()
    assert plain.get_content().splitlines() == ["Code K7M", ".", "end"]
    assert html.get_content().strip() == MESSAGE.html


def test_the_same_fact_has_the_same_id_and_another_another() -> None:
    ids = {compose(replace(MESSAGE, id=name), "a@example.com")["Message-ID"] for name in ("a:b", "a:b", "a/b", "a%3Ab")}
    assert len(ids) == 3


@pytest.mark.parametrize(
    "breaks", ["\r\nBcc: x@evil.example", "\nBcc: x@evil.example", "\rBcc: x@evil.example", "\u2028Bcc: x@evil.example"]
)
def test_a_subject_cannot_begin_another_header(server: Controller, box: Box, breaks: str) -> None:
    mailer(server).send(replace(MESSAGE, subject=f"Hello{breaks}"))
    (mail,) = box.mails
    assert mail["Subject"] == "Hello Bcc: x@evil.example"
    assert mail["Bcc"] is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a@example.com\r\nBcc: x@evil.example",
        "a@example.com, b@example.com",
        "A <a@example.com>",
        "a b@example.com",
        "a@\x00example.com",
        "a@example.com\u2028",
        "(comment)a@example.com",
        "@example.com",
        "a@b@c",
        "a@",
        "\u202ea@example.com",
    ],
)
def test_what_is_not_one_plain_address_is_refused(server: Controller, box: Box, address: str) -> None:
    with pytest.raises(InvalidInput, match="not one plain mail address"):
        mailer(server).send(replace(MESSAGE, to=address))
    assert box.mails == []


def test_an_id_cannot_begin_another_header() -> None:
    mail = compose(replace(MESSAGE, id="x\r\nBcc: y@evil.example"), "a@example.com")
    assert mail["Bcc"] is None
    assert "\n" not in str(mail["Message-ID"])


def test_a_refused_recipient_is_told_with_the_servers_reason(server: Controller) -> None:
    with pytest.raises(Unavailable, match=r"refused x@nowhere.example: 550 no such mailbox"):
        mailer(server).send(replace(MESSAGE, to="x@nowhere.example"))


def test_a_server_that_is_away_is_told_with_its_address() -> None:
    with pytest.raises(Unavailable, match=r"mail server 127.0.0.1:9: could not be used"):
        SmtpMailer("127.0.0.1", 9, "a@example.com", security="none").send(MESSAGE)


def test_without_starttls_nothing_is_sent_when_it_is_asked_for(server: Controller, box: Box) -> None:
    with pytest.raises(Unavailable, match="STARTTLS"):
        mailer(server, security="starttls").send(MESSAGE)
    assert box.mails == []


def _certificate(folder: Path) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that signs itself."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(built.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


def _login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    good = isinstance(data, LoginPassword) and (data.login, data.password) == (b"penstock", b"right")
    return AuthResult(success=good, handled=False)


@pytest.fixture
def secure(box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Controller]:
    certificate, key = _certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    controller = start(box, tls_context=context, require_starttls=True, authenticator=_login, auth_required=True)
    yield controller
    controller.stop()


def test_starttls_and_login_are_used(secure: Controller, box: Box) -> None:
    mailer(secure, security="starttls", user="penstock", password="right").send(MESSAGE)
    assert len(box.mails) == 1


def test_a_wrong_password_is_told_without_the_password(secure: Controller, box: Box) -> None:
    with pytest.raises(Unavailable, match="answered 535") as caught:
        mailer(secure, security="starttls", user="penstock", password="wr0ng").send(MESSAGE)
    assert "wr0ng" not in str(caught.value)
    assert box.mails == []


def test_a_certificate_that_nobody_vouches_for_is_not_talked_to(
    secure: Controller, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    with pytest.raises(Unavailable, match="CERTIFICATE_VERIFY_FAILED"):
        mailer(secure, security="starttls", user="penstock", password="right").send(MESSAGE)
    assert box.mails == []


def test_the_in_memory_mailbox_shows_a_repeat_once() -> None:
    box = MemoryMailer()
    for message in (MESSAGE, replace(MESSAGE, id="other"), MESSAGE):
        box.send(message)
    assert [m.id for m in box.mailbox] == [MESSAGE.id, "other"]
    assert len(box.sent) == 3
