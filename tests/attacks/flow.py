"""Steps out of their order, by the wrong person, from the wrong place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from attacks.lab import COOKIE, FIRST, SECOND, Everything, Invitation, Lab, tab
from attacks.registry import attack, both, replaced
from attacks.token_and_link import decided, never_decided, without_preconditions
from flask import Flask, Response, request
from penstock.core.batch import Status
from penstock.core.errors import PenstockError
from penstock.core.records import Query
from penstock.core.reversal import Reversal
from penstock.use_cases import capture, staging
from penstock.use_cases.context import held_of
from penstock.use_cases.decide import Said, decide
from penstock.use_cases.rollback import plan_rollback
from penstock.web.headers import SECURITY_HEADERS
from support import network as net
from support.world import APPROVER, World
from werkzeug.serving import make_server

SECTION = "flow"
ALIAS = FIRST.replace("thandi@", "Thandi+work@").upper()


def refused(do: Any) -> Any:
    """What `do` gives; nothing where it is refused."""
    try:
        return do()
    except PenstockError:
        return None


# forms from elsewhere -------------------------------------------------------------------------------------------------------


@attack(SECTION, guard="the nonce", without=replaced("penstock.core.tokens.is_nonce", lambda *_: True))
def a_form_without_this_browsers_nonce_decides(lab: Lab) -> object:
    """None, an empty one, one made up, one of another session, one of another link in the same session."""
    seen, other = lab.review(), lab.review(SECOND)
    with lab.browser() as stranger, lab.browser() as browser:
        anothers = lab.form(seen, stranger)["nonce"]
        form = lab.form(seen, browser)
        of_another_link = lab.form(other, browser)["nonce"]
        for nonce in ("", "0" * 64, "ü", anothers, of_another_link, form["nonce"][:-1], form["nonce"].upper()):
            browser.post(seen.path, data={**form, "nonce": nonce})
        browser.post(seen.path, data={name: value for name, value in form.items() if name != "nonce"})
    return lab.batch(seen).decisions


@attack(
    SECTION,
    guard="a session is a cookie of ours",
    without=both(
        replaced("penstock.entrypoints.review._is_session", lambda _: True),
        replaced("penstock.core.tokens.is_nonce", lambda *_: True),
    ),
)
def a_form_without_the_cookie_decides(lab: Lab) -> object:
    seen = lab.review()
    with lab.browser() as browser:
        form = lab.form(seen, browser)
        for cookie in (None, "", "x", "y" * 43):
            browser.cookies.clear()
            if cookie is not None:
                browser.cookies.set(COOKIE, cookie)
            browser.post(seen.path, data=form)
    return lab.batch(seen).decisions


@contextmanager
def site(pages: dict[str, str], arrived: list[str] | None = None) -> Iterator[str]:
    """Somebody else's site: of another host name than the review's. `arrived` is given the paths that were asked for."""
    app = Flask("elsewhere")
    if arrived is not None:
        app.before_request(lambda: arrived.append(request.path))
    app.add_url_rule(
        "/<page>", methods=["GET", "POST"], view_func=lambda page: Response(pages.get(page, ""), mimetype="text/html")
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@attack(SECTION, guard="SameSite=Strict", without=replaced("penstock.entrypoints.review.SAME_SITE", None))
def a_page_of_another_site_sends_the_form_for_the_reader(lab: Lab) -> object:
    """It knows everything: link, code, and the nonce of the reader's browser."""
    seen = lab.review()

    def lured(chromium: Any) -> None:
        with tab(chromium) as page:
            page.goto(lab.url() + seen.path)
            nonce = page.locator('input[name="nonce"]').get_attribute("value")
            fields = {"nonce": nonce, "verdict": "approve", "code": seen.code}
            inputs = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in fields.items())
            form = (
                f'<form method="post" action="{lab.url()}{seen.path}">{inputs}</form><script>document.forms[0].submit()</script>'
            )
            with site({"lure": form}) as elsewhere:
                with page.expect_navigation(url=f"{lab.url()}/**"):
                    page.goto(f"{elsewhere}/lure", wait_until="commit")
                page.wait_for_load_state()

    lab.in_chromium(lured)
    return lab.batch(seen).decisions


def frameable(patch: pytest.MonkeyPatch) -> None:
    policy = SECURITY_HEADERS["Content-Security-Policy"].replace("frame-ancestors 'none'", "frame-ancestors *")
    patch.setitem(SECURITY_HEADERS, "Content-Security-Policy", policy)
    patch.delitem(SECURITY_HEADERS, "X-Frame-Options")
    patch.setitem(SECURITY_HEADERS, "Cross-Origin-Resource-Policy", "cross-origin")


@attack(SECTION, guard="frame-ancestors and X-Frame-Options", without=frameable)
def another_site_shows_the_page_in_a_frame(lab: Lab) -> object:
    seen = lab.review()

    def framed(chromium: Any) -> list[str]:
        with tab(chromium) as page, site({"frame": f'<iframe src="{lab.url()}{seen.path}"></iframe>'}) as elsewhere:
            page.goto(f"{elsewhere}/frame", wait_until="load")
            return [frame.url for frame in page.frames[1:] if "LAW.P." in frame.content()]

    return lab.in_chromium(framed)


@attack(SECTION, guard="the page's own kind of form", without=replaced("penstock.entrypoints.review.FORM", Everything()))
def a_form_of_another_kind_decides(lab: Lab) -> object:
    """Kinds that other sites may send without asking, and JSON in a plain text's clothes."""
    seen = lab.review()
    with lab.browser() as browser:
        form = lab.form(seen, browser)
        browser.post(seen.path, json=form)
        for kind in ("text/plain", "application/json", "application/octet-stream", ""):
            body = "&".join(f"{name}={value}" for name, value in form.items())
            browser.post(seen.path, content=body, headers={"Content-Type": kind})
        browser.post(seen.path, files={name: (None, value) for name, value in form.items()})
    return lab.batch(seen).decisions


@attack(SECTION, guard="each thing is said once", without=replaced("penstock.entrypoints.review._demand_plain", lambda _: None))
def a_form_that_says_two_things_decides(lab: Lab) -> object:
    seen = lab.review()
    with lab.browser() as browser:
        form = lab.form(seen, browser)
        for name, values in {"verdict": ["approve", "reject"], "code": [seen.code, "x"], "nonce": [form["nonce"], ""]}.items():
            browser.post(seen.path, data={**form, name: values})
            if found := lab.batch(seen).decisions:
                return f"{name}: {found}"
    return None


# steps skipped ----------------------------------------------------------------------------------------------------------------


def promotes_all(patch: pytest.MonkeyPatch) -> None:
    """Nobody asks how the batch stands, nor what was said of each change."""

    def as_if_decided(found: Any) -> Any:
        held = held_of(found)
        return held and replace(held, batch=replace(held.batch, status=Status.APPLYING))

    patch.setattr("penstock.use_cases.promote.held_of", as_if_decided)
    patch.setattr("penstock.use_cases.promote.resolve", lambda batch, pack: (list(pack.ready), []))


def in_production(lab: Lab) -> int:
    return sum(lab.ctx.store.count(Query(lab.ctx.collection(entity))) for entity in lab.ctx.pipeline.entities)


def promoted(lab: Lab, seen: Invitation) -> int:
    """How many records a message to the promoting function, sent with the right identity, brings into production."""
    before = in_production(lab)
    lab.call("promote", {"batch": seen.batch, "pack": 0})
    return in_production(lab) - before


@attack(SECTION, guard="only what is decided is promoted", without=promotes_all)
def a_batch_is_promoted_before_anybody_decided(lab: Lab) -> object:
    return promoted(lab, lab.review(fresh=True))


@attack(SECTION, guard="only what is decided is promoted", without=promotes_all)
def a_rejected_batch_is_promoted(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    assert lab.send(seen, verdict="reject").status_code == 200
    return promoted(lab, seen)


unchecked = both(never_decided, replaced("penstock.use_cases.staging.demand_shown", lambda _: None))


@attack(SECTION, guard="only a batch under review takes a decision", without=unchecked)
def a_batch_is_decided_before_it_was_checked(lab: Lab) -> object:
    like = lab.review()
    net.feed(lab.world, lab.records(3))
    batch = capture.capture(lab.ctx).batch
    seen = lab.given_out(like, batch=batch, digest=lab.world.batch(batch).digest)
    lab.send(seen)
    found = lab.world.batch(batch).decisions
    lab.world.delivered = len(lab.world.publisher.messages)
    return found


def anything_goes_back(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("penstock.use_cases.rollback._admit", lambda *_: None)

    def of_each(ctx: Any, undone: Any, _: Any) -> Iterator[Any]:
        return (Reversal(change, change) for change in staging.changes_of(ctx, undone.id))

    patch.setattr("penstock.use_cases.rollback._reversals", of_each)


@attack(SECTION, guard="only what was applied is rolled back", without=anything_goes_back)
def what_was_never_promoted_is_rolled_back(lab: Lab) -> object:
    world = World()
    net.feed(world, net.network(range(1, 4)))
    batch = world.run().batch
    return refused(lambda: plan_rollback(world.ctx, batch, "operator@example.org"))


@attack(SECTION, guard="the batch's status, and the link's", without=both(never_decided, without_preconditions))
def the_first_link_approves_again_after_a_rollback(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    assert lab.send(seen).status_code == 200
    _, owed = plan_rollback(lab.ctx, seen.batch, "operator@example.org")
    lab.world.pay(owed)
    lab.world.pump()
    token, code = lab.world.link(FIRST)
    back = Invitation(lab.world.mail(FIRST).id, FIRST, seen.target, token, code)
    assert lab.send(back, **{"rule.edited_since": "approve"}).status_code == 200
    assert lab.batch(seen).status is Status.ROLLED_BACK
    return decided(lab, seen)[1:]  # type: ignore[index]


# who ----------------------------------------------------------------------------------------------------------------------------


def spelled(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("penstock.core.decisions.person", lambda address: address.lower())


@attack(SECTION, guard="nobody approves what they started, however spelled", without=spelled)
def who_started_a_run_approves_it(lab: Lab) -> object:
    return decided(lab, lab.review(fresh=True, started_by=ALIAS))


@attack(SECTION, guard="one person is one voice", without=spelled)
def one_person_under_two_addresses_gives_both_approvals(lab: Lab) -> object:
    world = World(approvals=2, people={"fibre_approvers": (FIRST, ALIAS)})
    net.feed(world, net.network(range(1, 4)))
    batch = world.run().batch
    for person in (FIRST, ALIAS):
        refused(lambda person=person: world.decide(Said("approve"), person))
    return world.batch(batch).status is not Status.UNDER_REVIEW


# what ---------------------------------------------------------------------------------------------------------------------------


incomplete = replaced("penstock.use_cases.choosing.demand_complete", lambda *_: None)


@attack(SECTION, guard="every named change is in the batch", without=incomplete)
def a_decision_names_changes_that_are_not_in_the_batch(lab: Lab) -> object:
    seen = lab.review(fresh=True)
    with lab.browser() as browser:
        form = lab.form(seen, browser)
        for strange in ("poles/LAW.P.ZZZ", "penstock_batches/x", "poles/\x00", "x" * 5_000):
            for given in ({f"change.{strange}": "approve"}, {"except": strange}):
                browser.post(seen.path, data={**form, **given})
                if found := lab.batch(seen).decisions:
                    return found
    return None


@attack(SECTION, guard="the digest of what was shown", without=replaced("penstock.use_cases.decide.admit", lambda *_: None))
def a_decision_on_an_old_digest_counts(lab: Lab) -> object:
    world = World()
    net.feed(world, net.network(range(1, 4)))
    batch = world.run().batch
    refused(lambda: decide(world.ctx, batch, "0" * 64, APPROVER, Said("approve")))
    return world.batch(batch).decisions
