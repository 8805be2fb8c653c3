"""What stands in values, names, ids and comments, and would like to be more than text."""

from __future__ import annotations

import csv
import io
import json
import re
from email import message_from_bytes, policy
from typing import Any

import pytest
from attacks.flow import site
from attacks.lab import FIRST, Invitation, Lab, tab
from attacks.registry import attack, both, replaced
from penstock.adapters.smtp import compose
from penstock.core import layout
from penstock.core.errors import PenstockError
from penstock.ports import Message
from penstock.web import environment, text
from penstock.web.headers import SECURITY_HEADERS

SECTION = "injection"
MARKED = "data-evil"
MARKUP = [
    f"<i {MARKED}>",
    f'"><i {MARKED}>',
    f"'><i {MARKED}>",
    f'" {MARKED}="',
    f"' {MARKED}='",
    f"</title></style></textarea><i {MARKED}>",
    f"</script><i {MARKED}><script>",
    f"<svg {MARKED} onload=x>",
    f"--><i {MARKED}>",
    f"]]><i {MARKED}>",
    f"&lt;i {MARKED}&gt;&#60;i {MARKED}&#62;",
    "\u2028</script>\u2029<script>",
    "{{ 7 * 7 }}{% raw %}",
    "red;background:url(//elsewhere.example)",
]


def carrying(lab: Lab, texts: list[str]) -> Invitation:
    """A review of records that carry these texts in their values, their keys and their groups; one has a finding about it."""
    found = []
    for n, (id, columns) in enumerate(lab.records(len(texts))):
        said = texts[n]
        readable = "".join(c for c in said.replace("/", "∕") if c.isprintable())  # no other key is taken
        pole = f"{columns['Pole Number']} {readable}"
        named = {"Location Address": said, "Site": said, "Status": said, "Flow Name Groups": said, "PONs": said, "Sections": said}
        found.append((id, columns | named | {"Pole Number": pole} | ({"Latitude": f"x{said}"} if n == 0 else {})))
    return lab.review(fresh=True, records=found)


def pages(lab: Lab, seen: Invitation, comment: str) -> dict[str, str]:
    """Everything made of markup about a review, to its end: pages, mails, reports."""
    with lab.browser() as browser:
        form = lab.form(seen, browser, note=comment, **{"rule.required": "reject", "rule.unconvertible": "reject"})
        found = {
            "page": browser.get(seen.path).text,
            "refused form": browser.post(seen.path, data={**form, "code": "x", "except": comment}).text,
            "mail": lab.world.mail(FIRST).html,
            "answer": browser.post(seen.path, data=form).text,
            "closed page": browser.get(seen.path).text,
        }
    blobs = lab.ctx.ports.blobs
    folder = layout.report_blob(lab.ctx.id, seen.batch, "x", "x").rpartition("/")[0]
    return found | {name: blobs.read(name).decode() for name in blobs.names(folder) if name.endswith(".html")}


def unescaped(patch: pytest.MonkeyPatch) -> None:
    plain = environment.environment().overlay(autoescape=False)
    patch.setattr(environment, "environment", lambda: plain)


@attack(SECTION, guard="everything is escaped", without=unescaped)
def markup_in_a_value_a_key_or_a_comment_becomes_part_of_a_page(lab: Lab) -> object:
    seen = carrying(lab, MARKUP)
    found = pages(lab, seen, " ".join(MARKUP))
    assert len(found) >= 7, "the reports are among them"
    assert all(MARKED in page for name, page in found.items() if "mail" not in name), "and each shows the text"

    def looked(chromium: Any) -> list[str]:
        with tab(chromium, java_script_enabled=False) as page:
            evil = []
            for name, html in found.items():
                page.set_content(html, wait_until="commit")
                if page.locator(f"[{MARKED}], script, iframe, object, embed, base, [onload], [onerror]").count():
                    evil.append(name)
            return evil

    return lab.in_chromium(looked)


GOT_IN = """<script>window.ran = 1</script><img src="{0}/img" onerror="window.ran = 1"><iframe src="{0}/frame"></iframe>
<link rel="stylesheet" href="{0}/css"><style>body {{ background: url({0}/style) }}</style><base href="{0}/">
<i style="background: url({0}/attribute)">x</i>
<form id="lure" method="post" action="{0}/form"><input name="code" value="x"></form>"""


@attack(
    SECTION, guard="the content security policy", without=lambda patch: patch.delitem(SECURITY_HEADERS, "Content-Security-Policy")
)
def markup_that_got_in_all_the_same_runs_or_reaches_another_site(lab: Lab) -> object:
    """As if the escaping had a hole: the page's own bytes with markup put in on the way, under the page's own headers."""
    seen = lab.review()

    def changed(chromium: Any) -> list[str]:
        arrived: list[str] = []
        with site({}, arrived) as elsewhere, tab(chromium) as page:

            def put_in(route: Any) -> None:
                answer = route.fetch()
                route.fulfill(response=answer, body=answer.text().replace("</main>", GOT_IN.format(elsewhere) + "</main>"))

            page.route(f"**{seen.path}", put_in)
            page.goto(lab.url() + seen.path)
            ran = page.evaluate("window.ran ? ['a script'] : []")
            page.evaluate("document.getElementById('lure').submit()")
            page.wait_for_timeout(200)
        return ran + [f"a request for {path}" for path in arrived]

    return lab.in_chromium(changed)


NO_ADDRESS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\nscript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "//elsewhere.example",
    "/\\elsewhere.example",
    "https://bank.example@elsewhere.example/",
    "https:\\\\elsewhere.example",
    "https://a.example/\nb",
    "relative",
    "",
]


@attack(SECTION, guard="a link is a web address", without=replaced("penstock.web.text._WEB_ADDRESS", re.compile(".*", re.S)))
def what_is_no_plain_web_address_becomes_a_link(lab: Lab) -> object:
    return [url for url in NO_ADDRESS if "href" in text.link(url, "here")]


FORMULAS = [
    "=HYPERLINK(1)",
    "+27821234567",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\t=1",
    "a;=1",
    "a,=1",
    'a"=1',
    '";=1',
    "a|=1",
    "a\n=1",
    "＝1",
]


def formulas(content: bytes) -> list[str]:
    """The cells that a spreadsheet would run, whatever separator it takes the file to have."""
    told = content.decode("utf-8-sig")
    return [
        cell
        for separator in ",;\t|"
        for line in csv.reader(io.StringIO(told), delimiter=separator)
        for cell in line
        if cell.strip().startswith(("=", "+", "@", "＝")) or re.match(r"\s*-(?!\d+(\.\d+)?$)", cell)
    ]


@attack(SECTION, guard="cells are neutralised", without=replaced("penstock.web.report.cell", lambda given: given))
def a_spreadsheet_runs_a_cell_of_a_report(lab: Lab) -> object:
    seen = carrying(lab, FORMULAS)
    lab.send(seen, note=FORMULAS[0], **{"rule.required": "reject", "rule.unconvertible": "reject"})
    files = {
        kind: lab.ctx.ports.blobs.read(layout.report_blob(lab.ctx.id, seen.batch, kind, "csv"))
        for kind in ("pre-sync", "post-sync")
    }
    assert all(content.count(b"HYPERLINK") for content in files.values()), "they tell the text"
    return [cell for content in files.values() for cell in formulas(content)]


class NaiveMail:
    """A mail whose headers are lines, as given."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __setitem__(self, name: str, value: object) -> None:
        self.lines.append(f"{name}: {value}")

    def set_content(self, _: str) -> None: ...

    def add_alternative(self, _: str, **__: str) -> None: ...

    def __bytes__(self) -> bytes:
        return "\r\n".join([*self.lines, "", ""]).encode()


def naive(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("penstock.adapters.smtp.EmailMessage", NaiveMail)
    patch.setattr("penstock.adapters.smtp._mailbox", str)


@attack(SECTION, guard="a header is one line, a recipient one mailbox", without=naive)
def a_subject_or_recipient_adds_a_header_or_a_reader(lab: Lab) -> object:
    gained = []
    for broken in ("\r\n", "\n", "\r", "\r\n ", "\x0b", "\x85", "\u2028"):
        evil = f"x@example.org{broken}Bcc: mallory@elsewhere.example"
        for message in (
            Message("id", FIRST, f"To decide{broken}Bcc: mallory@elsewhere.example", "t", "<p>t"),
            Message("id", evil, "s", "t", "<p>t"),
            Message(f"id>{broken}Bcc: mallory@elsewhere.example", FIRST, "s", "t", "<p>t"),
            Message("id", f"{FIRST}, mallory@elsewhere.example", "s", "t", "<p>t"),
        ):
            try:
                sent = message_from_bytes(bytes(compose(message, "penstock@example.org")), policy=policy.default)
            except PenstockError:
                continue
            readers = f"{sent['To']} {sent['Cc']} {sent['Bcc']}"
            gained += [readers] if "mallory" in readers else []
    return gained


FORGED = '{"severity": "CRITICAL", "message": "forged"}'
LINES = [
    f"x\n{FORGED}\n",
    f"x\r{FORGED}\r",
    f"x\u2028{FORGED}",
    f"\x1b[2J\x1b[31m{FORGED}",
    '","severity":"CRITICAL","message":"forged',
    "x" * 5_000,
]


def said_plainly(level: int, message: str, **more: Any) -> None:
    print(f"{level} {message} {more}".replace("\\n", "\n"))


plain_log = both(*(replaced(f"penstock.entrypoints.{name}.log", said_plainly) for name in ("http", "review", "workers")))


@attack(SECTION, guard="a log line is one JSON object", without=plain_log)
def a_caller_writes_lines_of_its_own_into_the_log(lab: Lab) -> object:
    seen = lab.review()
    before = len(lab.logs())
    with lab.browser() as browser:
        for line in LINES:
            headers = {"User-Agent": re.sub(r"[^ -~]", "?", line)}
            browser.get(f"{seen.path}x", params={"page": line}, headers=headers)
            browser.post(seen.path, data={**lab.form(seen, browser), "verdict": line, "code": seen.code})
            browser.post(seen.path, data={**lab.form(seen, browser), f"change.{line}": "approve"})
    for line in LINES:
        lab.call("capture", {"pipeline": line, "mode": line, "started_by": line})
        lab.call("capture", {"target": line})
        lab.call("check", {"batch": f"{seen.batch}{line}", "pack": 0})
        lab.call("dead_letter", {"delivery": line})
    gained = []
    for told in re.split(r"[\r\n\u2028]", lab.logs()[before:]):
        try:
            forged = json.loads(told).get("severity") == "CRITICAL"
        except (ValueError, AttributeError):
            forged = False
        if forged or "\x1b[2J" in told:
            gained.append(told[:100])
    return gained


OBJECTS = [
    "../../secrets",
    "{0}/../../backups",
    "{0}/x",
    "{0}\n",
    "{0}\x00",
    "{0}?x",
    "{0}#x",
    ".{0}",
    "{1}٠",
    "fibre_network..{0}",
    "{0}{0}",
]


@attack(
    SECTION,
    guard="a batch id has one form",
    without=replaced("penstock.core.layout._BATCH_ID", re.compile(r"([^.]*)\.([^.]*)(?s:.*)")),
)
def a_batch_id_leads_to_another_object(lab: Lab) -> object:
    seen = lab.review()
    gained = []
    for form in OBJECTS:
        id = form.format(seen.batch, seen.batch[:-1])
        try:
            layout.target_of(id)
        except PenstockError:
            continue
        gained.append(layout.report_blob(lab.ctx.id, id, "pre-sync", "html"))
    return gained


TURNED = "\u202etxt.exe\u2066\u200b\u00ad"


@attack(SECTION, guard="what cannot be seen is shown", without=replaced("penstock.web.text.visible", lambda given, **_: given))
def a_text_turns_its_direction_or_hides_on_the_page(lab: Lab) -> object:
    found = pages(lab, carrying(lab, [TURNED, TURNED]), TURNED)
    # Not in what a browser sends back as it is: the names of controls, and what a person typed.
    shown = {name: re.sub(r"(?s)<textarea.*?</textarea>|<[^>]*>", " ", page) for name, page in found.items()}
    return [name for name, page in shown.items() if re.search("[\u202e\u2066\u200b\u00ad]", page)]


@attack(SECTION, guard="long values are folded and cut", without=replaced("penstock.web.text.LONGEST", 10**9))
def an_endless_value_makes_the_page_endless(lab: Lab) -> object:
    endless = [(id, columns | {"Site": "Endless " * 20_000}) for id, columns in lab.records(2)]
    with lab.browser() as browser:
        page = browser.get(lab.review(fresh=True, records=endless).path).text
    assert "Endless" in page
    return len(page) if len(page) > 150_000 else None
