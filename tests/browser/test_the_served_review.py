"""The review as it is served, from the framework's application to a phone: decided by a person, and by nothing else."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import functions_framework
import pytest
from penstock import wiring
from penstock.core.batch import Status
from penstock.core.plan import Batch
from playwright.sync_api import Page
from support.forest import Plan, faults, grown, units
from support.world import World
from werkzeug.serving import make_server

pytestmark = pytest.mark.browser
MAIN = str(Path(__file__).parents[2] / "functions" / "main.py")


@dataclass
class Service:
    """A review of eleven changes, one with a blocker: a new pole without a place."""

    world: World
    id: str

    @property
    def batch(self) -> Batch:
        return self.world.batch(self.id)

    @property
    def mail(self) -> tuple[str, str]:
        """(link, code) of the newest one."""
        text = self.world.mailer.sent[-1].text
        found = re.search(r"(http://\S+)\s+Your code:\s+(\w{6})", text)
        assert found, text
        return found[1], found[2]


@pytest.fixture
def service() -> Iterator[Service]:
    world = World()
    rows = [{"Pole Number": f"LAW.P.A{n:03d}", "Latitude": "-26.38", "Longitude": f"27.8{n:02d}"} for n in range(11)]
    rows[3] |= {"Latitude": "", "Longitude": ""}
    world.put(world.source, "onemap-records", [(f"p{n}", row | {"lst_mod_dt": "2026-03-01"}) for n, row in enumerate(rows)])
    with serving(world):
        yield Service(world, world.run().batch)


@pytest.fixture
def forest() -> Iterator[Service]:
    """A review of two units that go, one of which members and a unit of the target's own hang below."""
    world = grown()
    with serving(world):
        yield Service(world, Plan(world).update("w1", active=False).update("d2", active=False).stage().id)


@contextmanager
def serving(world: World) -> Iterator[None]:
    """Serve the world's reviews; its mails lead there."""
    server = make_server("127.0.0.1", 0, functions_framework.create_app("review", MAIN, "http"), threaded=True)
    world.ports = replace(world.ports, base_url=f"http://127.0.0.1:{server.server_port}")
    world.contexts = wiring.Contexts(world.ports, world.contexts.pipelines)
    (world.ctx,) = world.contexts.all()
    world.outside = world.ctx
    wiring.use(world.contexts)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()
    wiring.use(None)


def reach(page: Page, css: str) -> None:
    for _ in range(80):
        if page.evaluate("css => document.activeElement.matches(css)", css):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{css} is not reached")


def test_a_review_is_read_and_decided_on_a_phone_by_keyboard_alone(service: Service, tab: Callable[..., Any]) -> None:
    watched, (link, code) = tab(), service.mail
    page = watched.page
    page.goto(link)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.get_by_text("LAW.P.A007").first.is_visible()
    reach(page, '[name="rule.required"]')
    page.keyboard.press("ArrowDown")  # the second answer: keep production
    reach(page, "#note")
    page.keyboard.type("The third has no place yet.")
    reach(page, "#code")
    page.keyboard.type(code.lower())
    reach(page, 'button[value="approve"]')
    page.keyboard.press("Enter")
    page.get_by_role("heading", level=1).wait_for()
    page.wait_for_load_state()
    batch = service.batch
    assert (batch.status, batch.applied, batch.rejected) == (Status.APPLIED, 10, 1)
    assert batch.decisions[0].note == "The third has no place yet."
    assert "10 changes applied" in page.inner_text("main")
    assert watched.console == []

    page.go_back()
    assert page.locator("#code").count() == 0
    assert "APPLIED" in page.inner_text("main")
    page.reload()
    assert page.locator("form").count() == 0
    assert service.batch == batch


def test_of_two_tabs_the_second_is_told_what_the_first_decided(service: Service, tab: Callable[..., Any]) -> None:
    link, code = service.mail
    first = tab().page
    first.goto(link)
    second = first.context.new_page()
    second.goto(link)
    for page, verdict in ((first, "reject"), (second, "approve")):
        page.check('[name="rule.required"][value="approve"]')
        page.fill("#code", code)
        page.click(f'button[value="{verdict}"]')
        page.wait_for_load_state()
    assert "Production was not changed" in first.inner_text("main")
    assert "REJECTED" in second.inner_text("main")
    assert service.batch.status is Status.REJECTED
    assert service.world.documents("planned-poles") == {}


def test_a_wrong_code_keeps_what_was_filled_in_and_says_what_to_do(service: Service, tab: Callable[..., Any]) -> None:
    watched, (link, code) = tab(), service.mail
    page = watched.page
    page.goto(link)
    page.check('[name="rule.required"][value="reject"]')
    page.fill("#note", "mine")
    page.fill("#code", "222222" if code != "222222" else "333333")
    page.click('button[value="approve"]')
    assert "4 tries left" in page.get_by_role("alert").inner_text()
    assert page.input_value("#note") == "mine"
    assert page.is_checked('[name="rule.required"][value="reject"]')
    page.fill("#code", code)
    page.click('button[value="approve"]')
    page.get_by_text("10 changes applied").wait_for()
    assert watched.console == ["Failed to load resource: the server responded with a status of 409 (CONFLICT)"]


def test_what_hangs_below_a_unit_is_moved_to_another_on_a_phone(forest: Service, tab: Callable[..., Any]) -> None:
    watched, (link, code) = tab(), forest.mail
    page = watched.page
    page.goto(link)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.check('[name="rule.dependents"][value="each"]')
    group = page.get_by_role("group", name="What becomes of what hangs below units/w1?")
    group.get_by_label("Move what hangs below it to another unit").check()
    page.fill("#code", code)
    page.click('button[value="approve"]')
    assert "Name the unit that everything moves to" in page.get_by_role("alert").inner_text()
    group = page.get_by_role("group", name="What becomes of what hangs below units/w1?")
    assert group.get_by_label("Move what hangs below it to another unit").is_checked()
    group.get_by_label("Id of the other unit").fill("w2")
    page.fill("#code", code)
    page.click('button[value="approve"]')
    page.get_by_text("2 changes applied").wait_for()
    assert "units/w1: what hangs below moves to w2" in page.inner_text("main")
    assert units(forest.world)["c1"]["path"] == "np.p1.d1.w2.c1"
    assert faults(forest.world) == []
    assert watched.console == ["Failed to load resource: the server responded with a status of 422 (UNPROCESSABLE ENTITY)"]
