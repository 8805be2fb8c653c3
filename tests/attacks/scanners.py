"""What mail scanners, prefetchers and browsers do with a link by themselves."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import httpx
import pytest
from attacks.lab import SECOND, Lab, tab
from attacks.registry import attack, both, replaced
from attacks.token_and_link import never_decided, without_preconditions
from flask import Request
from penstock.core import tokens
from penstock.entrypoints import review as entry
from penstock.use_cases import effects
from penstock.use_cases.context import Context
from penstock.use_cases.decide import Said, decide_by_link, find_link
from penstock.web import views
from penstock.web.headers import SECURITY_HEADERS
from playwright.sync_api import Error as BrowserError

SECTION = "mail scanners and browsers"

real_show = entry._show


def one_click(request: Request, ctx: Context, token: str) -> Any:
    """The page as it would be if opening the link were enough."""
    link = find_link(ctx, token)
    _, owed = decide_by_link(ctx, token, tokens.code(ctx.ports.keys, link.key_id, link.grant), Said("approve"))
    effects.pay(ctx, owed)
    return real_show(request, ctx, token)


def written(lab: Lab, before: dict[str, str]) -> list[Any]:
    """What was written since: paths, with the moments of their last writes."""
    return sorted(set(lab.state().items()) ^ set(before.items()))


opening_decides = replaced("penstock.entrypoints.review._show", one_click)
PREFETCH = (
    {"Purpose": "prefetch"},
    {"Sec-Purpose": "prefetch;prerender"},
    {"X-Moz": "prefetch"},
    {"X-Purpose": "preview"},
    {"User-Agent": "Mozilla/5.0 (compatible; LinkScanner/1.0)"},
    {"Range": "bytes=0-99"},
    {"If-None-Match": "*"},
    {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST", "X-HTTP-Method": "POST"},
)


@attack(SECTION, guard="opening the page only looks", without=opening_decides)
def looking_writes_something(lab: Lab) -> object:
    """GET ten times, every other method but POST, and whatever prefetchers say of themselves."""
    seen = lab.review()
    before = lab.state()
    with lab.browser() as browser:
        looks = [browser.get(seen.path, headers=PREFETCH[n % len(PREFETCH)]).status_code for n in range(10)]
        for method in ("HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "APPROVE", "CONNECT"):
            browser.request(method, seen.path, data={"verdict": "approve", "code": seen.code})
        for query in ("verdict=approve", f"verdict=approve&code={seen.code}&_method=POST", f"code={seen.code}&code=x"):
            browser.get(f"{seen.path}?{query}", headers=PREFETCH[-1])
    return written(lab, before) or set(looks) - {200}


def rewritten(path: str) -> list[str]:
    """A link as gateways and mail programs hand it on."""
    _, target, token = path.split("/")
    every = "".join(f"%{ord(letter):02x}" for letter in token)
    return [
        f"{path}/",
        f"{path}?utm_source=mail&data=05%7C02%7C&reserved=0",
        f"/{target}/{every}",
        f"/{target}/{every.upper()}",
        f"/{target.replace('.', '%2E').replace('_', '%5F')}/{token.replace('.', '%2E').replace('-', '%2D')}",
        f"{path}#main",
    ]


@attack(SECTION, guard="opening the page only looks", without=opening_decides)
def a_link_that_was_rewritten_and_opened_on_the_way_decides(lab: Lab) -> object:
    seen = lab.review()
    before = lab.state()
    with lab.browser() as browser:
        lost = [path for path in rewritten(seen.path) if "LAW.P." not in browser.get(path).text]
    return written(lab, before) or lost  # and it still leads the person to the page


PRESS = "n => { const b = document.querySelectorAll('button')[n]; b.disabled = false; b.formNoValidate = true; b.click(); }"
PRESS_ALL = """() => { for (const form of document.forms) {
  for (const e of form.elements) { if (e.type === 'radio' || e.type === 'checkbox') e.checked = true; }
  form.noValidate = true; form.submit(); } }"""
FILL = "typed => { for (const e of document.querySelectorAll('textarea, input[type=text]')) e.value = typed; }"
ADD = """verdict => { const e = document.createElement('input'); e.name = 'verdict'; e.value = verdict;
  document.forms[0].append(e); }"""


def scanned(chromium: Any, link: str, typed: tuple[str, ...]) -> None:
    """Run scripts, press every button and follow every link, and send every form, empty and filled in."""
    with tab(chromium) as page:
        page.goto(link)
        for n in range(page.locator("button").count()):
            page.goto(link)
            if not page.evaluate("document.forms.length"):
                return
            with page.expect_navigation():
                page.evaluate(PRESS, n)
        for text in typed:
            for verdict in ("approve", "reject"):
                page.goto(link)
                if not page.evaluate("document.forms.length"):
                    return
                page.evaluate(FILL, text)
                page.evaluate(ADD, verdict)
                with page.expect_navigation():
                    page.evaluate(PRESS_ALL)
        page.goto(link)
        for address in page.eval_on_selector_all("a", "links => links.map(a => a.href).filter(h => h.startsWith('http'))"):
            with suppress(BrowserError):  # a download is no page
                page.goto(address)


any_code = both(
    replaced("penstock.core.tokens.same_code", lambda *_: True), replaced("penstock.core.tokens.could_be_code", lambda _: True)
)


@attack(SECTION, guard="a code that no scanner can supply", without=any_code)
def a_scanner_that_presses_and_submits_everything_decides_or_locks_the_link(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    before = lab.state()
    lab.in_chromium(lambda chromium: scanned(chromium, lab.url() + seen.path, ("", "test", "123456", "scanner@example.org")))
    return written(lab, before)


def tell_everyone(patch: pytest.MonkeyPatch) -> None:
    real = views.render
    patch.setitem(SECURITY_HEADERS, "Referrer-Policy", "unsafe-url")
    patch.setattr(views, "render", lambda *a, **f: real(*a, **f).replace('<meta name="referrer" content="no-referrer">', ""))


@attack(SECTION, guard="Referrer-Policy", without=tell_everyone)
def another_site_is_told_the_link_when_the_reader_goes_on(lab: Lab) -> object:
    seen = lab.review()

    def read(chromium: Any) -> list[str]:
        told: list[str] = []
        with tab(chromium) as page:
            page.on("request", lambda sent: told.append(sent.all_headers().get("referer", "")))
            page.goto(lab.url() + seen.path)
            with page.expect_request(lambda sent: "pre-sync.html" in sent.url):
                page.locator("main a[href*='pre-sync.html']").first.click(no_wait_after=True)
        return told

    return [referer for referer in lab.in_chromium(read) if seen.token in referer]


@attack(SECTION, guard="the batch's status, and the link's", without=both(never_decided, without_preconditions))
def sending_the_answer_again_by_reload_or_the_back_button_decides_again(lab: Lab) -> object:
    seen = lab.review(fresh=True)

    def clicked(chromium: Any) -> None:
        with tab(chromium) as page:
            page.goto(lab.url() + seen.path)
            page.fill("#code", seen.code)
            with page.expect_navigation():
                page.click('button[value="approve"]')
            page.reload()
            page.go_back()
            if page.locator("#code").count():
                page.fill("#code", seen.code)
                page.click('button[value="reject"]')
                page.wait_for_load_state()

    lab.in_chromium(clicked)
    assert lab.batch(seen).decisions, "the first counts"
    return lab.batch(seen).decisions[1:]


def cached(patch: pytest.MonkeyPatch) -> None:
    patch.setitem(SECURITY_HEADERS, "Cache-Control", "private, max-age=3600")


@attack(SECTION, guard="Cache-Control: no-store", without=cached)
def the_back_button_shows_the_page_as_it_was_before_another_decided(lab: Lab) -> object:
    seen, other = lab.review(fresh=True), lab.review(SECOND)

    def went_back(chromium: Any) -> bool:
        with tab(chromium) as page:
            page.goto(lab.url() + seen.path)
            assert page.locator("#code").count()
            page.goto(f"{lab.url()}/robots.txt")
            assert lab.send(other, verdict="reject").status_code == 200
            page.context.clear_cookies()
            page.go_back()
            return bool(page.locator("#code").count())

    return lab.in_chromium(went_back)


@attack(SECTION, guard="nothing of ours is stored by anybody on the way", without=cached)
def a_page_or_an_answer_may_be_kept_by_caches_on_the_way(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    with lab.browser() as browser:
        form = lab.form(seen, browser)
        answers: list[httpx.Response] = [
            browser.get(seen.path),
            browser.post(seen.path, data={**form, "code": "nope"}),
            browser.post(seen.path, data=form),
            browser.get(seen.path),
            browser.get("/robots.txt"),
        ]
    return [answer.headers.get("Cache-Control") for answer in answers if answer.headers.get("Cache-Control") != "no-store"]
