"""A mail server as the `Mailer` port."""

from __future__ import annotations

import smtplib
import ssl
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate
from typing import Literal
from urllib.parse import quote

from penstock.core.errors import InvalidInput, Unavailable
from penstock.ports import Message

TIMEOUT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class SmtpMailer:
    """`security`: `starttls` (refuses a server without it), `tls` from the first byte, or `none` for a local mailbox."""

    host: str
    port: int
    sender: str
    security: Literal["none", "starttls", "tls"] = "starttls"
    user: str = ""
    password: str = ""
    sender_name: str = "Penstock"

    def send(self, message: Message) -> None:
        mail = compose(message, self.sender, self.sender_name)
        try:
            with self._connect() as server:
                if self.user:
                    server.login(self.user, self.password)
                server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            code, reason = error.recipients[message.to]
            raise self._unavailable(f"refused {message.to}: {code} {_text(reason)}") from error
        except smtplib.SMTPResponseException as error:
            raise self._unavailable(f"answered {error.smtp_code} {_text(error.smtp_error)}") from error
        except (smtplib.SMTPException, OSError) as error:
            raise self._unavailable(f"could not be used: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, self.port, timeout=TIMEOUT_SECONDS, context=ssl.create_default_context())
        server = smtplib.SMTP(self.host, self.port, timeout=TIMEOUT_SECONDS)
        if self.security == "starttls":
            try:
                server.starttls(context=ssl.create_default_context())
            except BaseException:
                server.close()
                raise
        return server

    def _unavailable(self, what: str) -> Unavailable:
        remedy = "The mail is kept and sent again; check the mail server's settings and address."
        return Unavailable(what, subject=f"mail server {self.host}:{self.port}", remedy=remedy)


def compose(message: Message, sender: str, sender_name: str = "Penstock") -> EmailMessage:
    """The mail as it is sent: plain text with HTML beside it. Line breaks in a header would begin another header, so the
    subject's become spaces; an address that is not one plain mailbox is refused."""
    mail = EmailMessage()
    mail["From"] = Address(sender_name, addr_spec=sender)
    mail["To"] = _mailbox(message.to)
    mail["Subject"] = " ".join("".join(c if c.isprintable() else " " for c in message.subject).split())
    mail["Date"] = formatdate()
    mail["Message-ID"] = f"<{quote(message.id, safe='')}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # keeps out-of-office answers away
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    return mail


def _mailbox(address: str) -> Address:
    remedy = "Correct the address in the settings or on the target."
    try:
        found = Address(addr_spec=address)
    except (ValueError, IndexError, MessageError) as error:  # what the standard library's parser is known to raise
        raise InvalidInput("is not one plain mail address", subject=repr(address), remedy=remedy) from error
    if found.addr_spec != address:  # a comment, a quoted name or a separator that the parser took off
        raise InvalidInput("is not one plain mail address", subject=repr(address), remedy=remedy)
    return found


def _text(reason: bytes | str) -> str:
    return reason.decode(errors="replace") if isinstance(reason, bytes) else reason
