"""Values and words for people. Whatever stands in a value, a name or a note is shown and never acts."""

from __future__ import annotations

import base64
import re
from typing import Any

from markupsafe import Markup

from penstock.core.changes import Finding
from penstock.core.choices import other_of
from penstock.core.values import GeoPoint, Reference, Timestamp, Value, Vector, dumps

SHORT = 160  # characters of a value shown at once
LONGEST = 10_000  # characters of a value shown at all; documents may be a mebibyte
_UNSEEN = re.compile(  # control characters, line and paragraph separators, bidirectional controls, invisible marks
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
# No user:password@ before the host, no //elsewhere, nothing that a browser would read as a slash.
_WEB_ADDRESS = re.compile(r"(https?://[\w.\-\[\]:]+(/[^\s\\]*)?|/(?![/\\])[^\s\\]*|\?[^\s\\]*)", re.ASCII)
_UNSEEN_BUT_LINES = re.compile(_UNSEEN.pattern.replace("\x00-\x1f", "\x00-\x09\x0b-\x1f"))


def visible(text: str, *, lines: bool = False) -> str:
    """The text with every invisible or text-reordering character replaced by a picture or its code. `lines` keeps \\n."""
    return (_UNSEEN_BUT_LINES if lines else _UNSEEN).sub(_picture, text)


def _picture(match: re.Match[str]) -> str:
    code = ord(match[0])
    return chr(0x2400 + code) if code < 0x20 else f"‹U+{code:04X}›"


def plain(value: Value) -> str:
    """A value as one line of text; absence is the empty text."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float | Timestamp):
        return str(value)
    if isinstance(value, GeoPoint):
        return f"{value.latitude}, {value.longitude}"
    if isinstance(value, Reference):
        return value.name
    if isinstance(value, bytes):
        return f"{len(value)} bytes: {base64.b64encode(value[:60]).decode()}{'…' if len(value) > 60 else ''}"
    if isinstance(value, Vector):
        return dumps(list(value.values))
    return dumps(value)


def kind(value: Value) -> str:
    """A value's type in a word, told where two values would look the same."""
    names = {bool: "yes/no", int: "number", float: "number", str: "text", list: "list", dict: "map", type(None): "nothing"}
    return names.get(type(value), type(value).__name__.lower())


def show(value: Value) -> Markup:
    """A value as inert HTML: isolated from the direction of the text around it, long ones folded."""
    if value is None:
        return Markup('<span class="none">nothing</span>')
    text = plain(value)
    if not text:
        return Markup('<span class="none">empty text</span>')
    if len(text) <= SHORT:
        return Markup("<bdi>{}</bdi>").format(visible(text))
    rest = f" … and {len(text) - LONGEST:,} more characters" if len(text) > LONGEST else ""
    return Markup("<details><summary><bdi>{}…</bdi> <small>{} characters</small></summary><bdi>{}</bdi>{}</details>").format(
        visible(text[:SHORT]), f"{len(text):,}", visible(text[:LONGEST]), rest
    )


def prose(text: str) -> Markup:
    """Words of a finding or a note as inert HTML; line ends are kept, endless ones cut."""
    cut = text[:LONGEST] + ("…" if len(text) > LONGEST else "")
    return Markup('<bdi class="prose">{}</bdi>').format(visible(cut, lines=True))


def link(url: str, words: str = "") -> Markup:
    """A link, if the address is a web address or a path on this site; otherwise the address as text."""
    if _WEB_ADDRESS.fullmatch(url):
        return Markup('<a href="{}">{}</a>').format(url, visible(words or url))
    return Markup("{} <code>{}</code>").format(visible(words), visible(url))


def number(value: float) -> str:
    return f"{value:,}"


def percent(part: float, whole: float) -> str:
    """Whole percents; 0 and 100 only when exactly so."""
    if not whole:
        return "0 %"
    share = 100 * part / whole
    return f"{min(max(round(share), int(share > 0)), 99) if share < 100 else 100} %"


def moment(when: Timestamp | None) -> str:
    return when.datetime().strftime("%-d %b %Y, %H:%M UTC") if when else ""


def time_tag(when: Timestamp | None) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(str(when), moment(when)) if when else Markup("")


def duration(seconds: float) -> str:
    """`42 s`, `3 min 20 s`, `2 h 5 min`, `3 days`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s" if whole % 60 else f"{whole // 60} min"
    if whole < 172_800:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86_400} days"


def plural(count: int, one: str, many: str = "") -> str:
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def words(name: str) -> str:
    """A rule's or a status's name for people: `too_many_drops` → `too many drops`."""
    return visible(name).replace("_", " ").lower()


def chosen(choice: str) -> str:
    """What becomes of what hangs below a unit that goes: `moves to w-12`."""
    to = other_of(choice)
    return f"what hangs below moves to {visible(to)}" if to is not None else "what hangs below goes along"


def worst_first(findings: Any) -> list[Finding]:
    order = {"blocker": 0, "warning": 1, "notice": 2}
    return sorted(findings, key=lambda f: order[f.severity])
