"""A mailbox for one machine: takes every mail by SMTP, keeps it as an .eml file, and shows it in the browser.

JSON at `/api/messages`, newest first: id, to, subject, text, html, links, received, times (how often it came)."""

from __future__ import annotations

import datetime as dt
import email
import email.policy
import html
import re
import time
from dataclasses import asdict, dataclass, replace
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from aiosmtpd.controller import Controller

from penstock.local.http_server import Handler, Server
from penstock.local.processes import HOST, free_port

_LINK = re.compile(r"https?://[^\s<>\"')\]]+")


@dataclass(frozen=True, slots=True)
class Mail:
    """`id` is the Message-ID without its brackets; `received` is when it first came, ISO 8601 in UTC."""

    id: str
    to: str
    subject: str
    text: str
    html: str
    links: tuple[str, ...]
    received: str
    times: int = 1


class Mailbox:
    """Takes mail at `smtp` (host:port) and shows it at `url`, as soon as it is made. Mails lie in `folder` and are there again
    after a restart."""

    def __init__(self, folder: Path, *, smtp_port: int | None = None, web_port: int = 0) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        port = smtp_port or free_port()
        self._controller: Any = Controller(_Inbox(folder), hostname=HOST, port=port)
        self._controller.start()
        self.smtp = f"{HOST}:{port}"
        self._server = Server(_pages(self), web_port)
        self.url = self._server.url

    def messages(self) -> list[Mail]:
        """All mails, newest first; one that came several times is there once."""
        found: dict[tuple[str, str], Mail] = {}
        for path in sorted(self._folder.glob("*.eml")):
            mail = _read(path)
            known = found.get((mail.id, mail.to))
            found[mail.id, mail.to] = replace(known, times=known.times + 1) if known else mail
        return sorted(found.values(), key=lambda mail: mail.received, reverse=True)

    def raw(self, message_id: str) -> bytes | None:
        """The first mail of that id as it came; None where there is none."""
        return next((p.read_bytes() for p in sorted(self._folder.glob("*.eml")) if _read(p).id == message_id), None)

    def stop(self) -> None:
        self._controller.stop()
        self._server.stop()


class _Inbox:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002 - aiosmtpd's names
        """Answers only when the mail is on disk: what was accepted is not lost."""
        name = f"{time.time_ns()}"
        partial = self._folder / f"{name}.partial"
        partial.write_bytes(envelope.original_content)
        partial.rename(self._folder / f"{name}.eml")
        return "250 Message accepted for delivery"


def _read(path: Path) -> Mail:
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    text = _part(message, "plain")
    body = _part(message, "html")
    links = dict.fromkeys(link.rstrip(".,;") for link in _LINK.findall(text) + _LINK.findall(html.unescape(body)))
    received = dt.datetime.fromtimestamp(int(path.stem) / 1e9, dt.UTC).isoformat(timespec="microseconds")
    message_id = str(message["Message-ID"] or path.stem).strip().strip("<>")
    return Mail(message_id, str(message["To"] or ""), str(message["Subject"] or ""), text, body, tuple(links), received)


def _part(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    return str(part.get_content()) if part else ""


def _pages(mailbox: Mailbox) -> type[Handler]:
    class Pages(Handler):
        def do_GET(self) -> None:
            place, _, name = self.path.strip("/").partition("/")
            mails = mailbox.messages()
            mail = next((m for m in mails if m.id == unquote(name)), None)
            if self.path == "/":
                self.answer(_list(mails), "text/html; charset=utf-8")
            elif self.path == "/api/messages":
                self.answer_json([asdict(m) for m in mails])
            elif mail and place == "mail":
                self.answer(_one(mail), "text/html; charset=utf-8")
            elif mail and place == "raw":
                self.answer(mailbox.raw(mail.id) or b"", "text/plain; charset=utf-8")
            else:
                self.answer_json({"error": "there is no such mail; / lists all of them"}, 404)

    return Pages


_STYLE = """<style>body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem .8rem;border-bottom:1px solid #ccc}
main{display:grid;grid-template-columns:1fr 1fr;gap:1.5rem}iframe{width:100%;height:75vh;border:1px solid #ccc}
pre{white-space:pre-wrap;overflow-wrap:anywhere}@media(max-width:50rem){main{grid-template-columns:1fr}}</style>"""


def _page(title: str, body: str) -> bytes:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{html.escape(title)}</title>{_STYLE}'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{body}</body></html>'.encode()


def _list(mails: list[Mail]) -> bytes:
    rows = "".join(f"<tr><td>{_when(m)}<td>{html.escape(m.to)}<td>{_link(m)}</tr>" for m in mails)
    table = f"<table><thead><tr><th>Received (UTC)<th>To<th>Subject</tr></thead><tbody>{rows}</tbody></table>"
    return _page("Mailbox", f"<h1>Mailbox</h1>{table if mails else '<p>No mail yet.</p>'}")


def _link(mail: Mail) -> str:
    again = f" (came {mail.times} times)" if mail.times > 1 else ""
    return f'<a href="/mail/{quote(mail.id, safe="")}">{html.escape(mail.subject or "(no subject)")}</a>{again}'


def _when(mail: Mail) -> str:
    return mail.received[:19].replace("T", " ")


def _one(mail: Mail) -> bytes:
    """The HTML part in a frame that can run nothing; its links open in a new tab."""
    framed = html.escape(f'<base target="_blank">{mail.html}')
    sandbox = "allow-popups allow-popups-to-escape-sandbox"
    beside = (
        f'<iframe title="HTML" sandbox="{sandbox}" srcdoc="{framed}"></iframe>' if mail.html else "<p>It has no HTML part.</p>"
    )
    nav = f'<p><a href="/">All mails</a> · <a href="/raw/{quote(mail.id, safe="")}">As it came</a></p>'
    facts = f"<p>To {html.escape(mail.to)}, {_when(mail)} UTC</p>"
    body = f"{nav}<h1>{html.escape(mail.subject)}</h1>{facts}<main>{beside}<pre>{html.escape(mail.text)}</pre></main>"
    return _page(mail.subject, body)
