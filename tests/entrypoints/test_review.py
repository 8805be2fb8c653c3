"""The public function: the page behind a mailed link, against people, their mistakes, and those who mean harm."""

from __future__ import annotations

import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from penstock import wiring
from penstock.core.batch import Status
from penstock.core.tokens import MAX_TRIES
from penstock.core.values import Timestamp
from penstock.entrypoints import review as entry
from penstock.use_cases import effects, reviewing
from penstock.web.headers import SECURITY_HEADERS
from serving import served
from support.world import APPROVER, World

WRONG = "222222"


def everything(world: World) -> dict[str, Any]:
    """All that was ever written anywhere: counted writes, objects, mails and messages."""
    bills = (world.production.bill, world.source.bill)
    return {
        "writes": [(bill.writes, bill.deletes) for bill in bills],
        "objects": dict(world.blobs.objects),
        "mails": list(world.mailer.sent),
        "messages": list(world.publisher.messages),
    }


def status(world: World, batch: str) -> Status:
    return world.batch(batch).status


@pytest.fixture
def batch(world: World) -> str:
    return world.run().batch


def is_calm(answer: Any) -> None:
    """A page of ours with every security header, and nothing of the inside on it."""
    assert answer.content_type == "text/html; charset=utf-8"
    assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    for word in ("Traceback", 'File "', "werkzeug", "penstock_", "Error("):
        assert word not in answer.text


def test_the_page_shows_the_batch_to_its_recipient(world: World, visit: Any, batch: str) -> None:
    page = visit().open()
    assert page.status_code == 200
    assert "LAW.P.A007" in page.text
    assert APPROVER in page.text
    assert world.link()[1] not in page.text
    is_calm(page)


def test_looking_writes_nothing_however_often_and_by_whatever_method(world: World, visit: Any, batch: str) -> None:
    visitor, before = visit(), everything(world)
    for _ in range(10):
        assert visitor.open(headers={"Purpose": "prefetch"}).status_code == 200
    head = visitor.client.head(visitor.path)
    assert (head.status_code, head.data) == (200, b"")
    for method in ("OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "APPROVE"):
        answer = visitor.client.open(visitor.path, method=method, data={"verdict": "approve", "code": world.link()[1]})
        assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD, POST")
    over = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "POST"}
    assert visitor.client.get(f"{visitor.path}?_method=POST&verdict=approve", headers=over).status_code == 200
    assert everything(world) == before


def test_while_a_promotion_runs_the_link_shows_how_far_it_is(
    world: World, visit: Any, batch: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(effects, "INLINE", 0)
    link = world.link()
    visitor = visit()
    answer = visitor.send(link[1])
    assert f"url={world.ports.base_url}/{world.ctx.id}/{link[0]}" in answer.text
    assert status(world, batch) is Status.APPLYING
    before = world.production.bill.reads
    looked = visitor.open()
    assert world.production.bill.reads - before <= 3
    assert 'http-equiv="refresh"' in looked.text
    assert f"0 of {world.batch(batch).approved} changes" in looked.text
    world.pump()
    assert 'http-equiv="refresh"' not in visitor.open().text
    assert status(world, batch) is Status.APPLIED


def test_the_typed_code_approves_and_production_has_what_was_shown(world: World, visit: Any, batch: str) -> None:
    answer = visit().send(world.link()[1])
    assert answer.status_code == 200
    assert status(world, batch) is Status.APPLIED
    assert len(world.documents("planned-poles")) == 12
    is_calm(answer)


def test_the_code_may_be_typed_small_and_with_a_space(world: World, visit: Any, batch: str) -> None:
    code = world.link()[1].lower()
    assert visit().send(f" {code[:3]} {code[3:]} ").status_code == 200
    assert status(world, batch) is Status.APPLIED


def test_rejecting_leaves_production_alone(world: World, visit: Any, batch: str) -> None:
    assert visit().send(world.link()[1], "reject", note="not today").status_code == 200
    assert status(world, batch) is Status.REJECTED
    assert world.documents("planned-poles") == {}


def test_a_second_click_and_the_back_button_are_told_that_it_is_decided(world: World, visit: Any, batch: str) -> None:
    visitor, code = visit(), world.link()[1]
    form = {"nonce": visitor.nonce(), "verdict": "approve", "code": code}
    assert visitor.client.post(visitor.path, data=form).status_code == 200
    after = everything(world)
    for verdict in ("approve", "reject"):
        again = visitor.client.post(visitor.path, data={**form, "verdict": verdict})
        assert again.status_code == 409
        assert "APPLIED" in again.text
    page = visitor.open()
    assert page.status_code == 200
    assert 'name="code"' not in page.text
    assert everything(world) == after


def test_the_cookie_is_kept_from_scripts_other_sites_and_plain_http(visit: Any, batch: str) -> None:
    cookie = visit().open().headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Secure"} <= set(cookie.split("; "))


@pytest.mark.parametrize("size", [entry.MAX_FORM + 1, 1_000_000])
def test_a_form_that_is_too_large_is_refused(world: World, visit: Any, batch: str, size: int) -> None:
    visitor, before = visit(), everything(world)
    answer = visitor.send(world.link()[1], note="x" * size)
    assert answer.status_code == 422
    assert everything(world) == before


def test_a_large_form_of_unknown_length_is_refused_too(world: World, visit: Any, batch: str) -> None:
    visitor, before = visit(), everything(world)
    body = f"nonce={visitor.nonce()}&verdict=approve&code={world.link()[1]}&note={'x' * 1_000_000}".encode()
    answer = visitor.client.post(
        visitor.path,
        input_stream=io.BytesIO(body),
        content_type="application/x-www-form-urlencoded",
        headers={"Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert answer.status_code in {413, 422}
    assert everything(world) == before
    is_calm(answer)


def test_a_form_with_too_many_choices_is_refused(world: World, visit: Any, batch: str) -> None:
    visitor, before = visit(), everything(world)
    many = {f"change.{n}": "reject" for n in range(entry.MAX_CHOICES + 1)}
    assert visitor.send(world.link()[1], **many).status_code == 422
    assert everything(world) == before


def test_a_wrong_code_is_told_and_what_was_filled_in_is_kept(world: World, visit: Any, batch: str) -> None:
    answer = visit().send(WRONG, note="my note")
    assert answer.status_code == 409
    assert f"{MAX_TRIES - 1} tries left" in answer.text
    assert "my note" in answer.text
    assert status(world, batch) is Status.UNDER_REVIEW
    is_calm(answer)


@pytest.mark.parametrize("typed", ["", " ", "ABC", "ABCDEFG", "123456", "I00OL1", "test@example.com", "ＡＢＣＤＥＦ", "x" * 40])
def test_what_is_no_code_at_all_is_told_and_costs_no_try(world: World, visit: Any, batch: str, typed: str) -> None:
    before = everything(world)
    for _ in range(2):
        answer = visit().send(typed)
        assert answer.status_code == 422
        assert "6 letters and digits" in answer.text
    assert everything(world) == before


def test_five_wrong_codes_lock_the_link_and_mail_another(world: World, visit: Any, batch: str) -> None:
    visitor, (token, code) = visit(), world.link()
    nonce = visitor.nonce()
    for _ in range(MAX_TRIES):
        visitor.client.post(visitor.path, data={"nonce": nonce, "verdict": "approve", "code": WRONG})
    assert visitor.client.post(visitor.path, data={"nonce": nonce, "verdict": "approve", "code": code}).status_code == 409
    assert status(world, batch) is Status.UNDER_REVIEW
    assert "locked" in visitor.open().text
    fresh = world.link()
    assert fresh[0] != token
    assert visit().send(fresh[1]).status_code == 200
    assert status(world, batch) is Status.APPLIED


def test_the_code_of_one_link_does_not_open_another(world: World, visit: Any, batch: str) -> None:
    old = world.link()
    world.put(world.source, "onemap-records", [("p99", {**new_record(), "Pole Number": "LAW.P.B001"})])
    assert world.run().superseded == batch
    assert visit().send(old[1]).status_code == 409
    assert visit(old[0]).send(old[1]).status_code == 409
    assert world.documents("planned-poles") == {}


def new_record() -> dict[str, str]:
    return {"Latitude": "-26.39", "Longitude": "27.9", "lst_mod_dt": "2026-03-02 08:00:00"}


def test_the_link_of_a_superseded_batch_explains_and_leads_on(world: World, visit: Any, batch: str) -> None:
    old = visit()
    world.put(world.source, "onemap-records", [("p99", {**new_record(), "Pole Number": "LAW.P.B001"})])
    world.run()
    page = old.open()
    assert page.status_code == 200
    assert "newer run" in page.text
    assert 'name="code"' not in page.text


def test_an_expired_link_shows_that_and_decides_nothing(world: World, visit: Any, batch: str) -> None:
    visitor, code = visit(), world.link()[1]
    nonce = visitor.nonce()
    world.clock.forward(7 * 86_400 + 1)
    before = everything(world)
    assert "expired" in visitor.open().text
    answer = visitor.client.post(visitor.path, data={"nonce": nonce, "verdict": "approve", "code": code})
    assert answer.status_code == 409
    assert everything(world) == before


@pytest.mark.parametrize("page", ["0", "-1", "2", "9" * 400, "1e9", "٣", "1&page=2", "%00", "'"])
def test_no_page_number_breaks_the_page(visit: Any, batch: str, page: str) -> None:
    visitor = visit()
    assert visitor.client.get(f"{visitor.path}?page={page}").status_code == 200


@pytest.mark.parametrize(
    "target", ["x", "..", "fibre_network", "fibre_network.other", "%2e%2e", "a" * 5_000, "fibre_network.fibreflow%00"]
)
def test_no_other_target_is_told_from_one_that_does_not_exist(world: World, batch: str, target: str) -> None:
    answer = served("review").get(f"/{target}/{world.link()[0]}")
    assert answer.status_code == 409
    assert "is not known" in answer.text
    assert "fibre" not in answer.text


@pytest.mark.parametrize(
    "path", ["/", "/robots.txt", "/favicon.ico", "/capture", "/promote", "/a/b/c", "/.git/config", "/%00", "//x//y"]
)
def test_every_answer_carries_the_security_headers(world: World, path: str) -> None:
    client = served("review")
    for method in ("GET", "POST"):
        answer = client.open(path, method=method, data=b'{"batch": "x", "pack": 0}', content_type="application/json")
        assert answer.status_code in {308, 404, 409}
        assert {name: answer.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS


def test_a_worker_cannot_be_reached_through_the_public_service(world: World, batch: str) -> None:
    before = everything(world)
    for name in ("capture", "check", "promote", "sweep", "dead_letter"):
        for path in (f"/{name}", f"/?target={name}"):
            assert served("review").post(path, json={"batch": batch, "pack": 0, "pipeline": "fibre_network"}).status_code == 409
    assert everything(world) == before


def test_what_nobody_foresaw_is_a_calm_page_and_an_error_in_the_log(
    world: World, visit: Any, batch: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise KeyError("0 Canary Street")

    monkeypatch.setattr(reviewing, "_blocked", broken)
    answer = visit().open(headers={"Accept": "text/html,*/*;q=0.8"})
    assert answer.status_code == 500
    is_calm(answer)
    assert "KeyError" not in answer.text
    (line,) = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"ERROR"' in line]
    assert line["severity"] == "ERROR"
    assert line["reference"] in answer.text
    assert any("reviewing.py" in place for place in line["where"])
    assert "Canary" not in json.dumps(line)


def test_a_service_that_is_not_set_up_says_so_to_its_operator_alone(
    world: World, batch: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wiring.use(None)
    monkeypatch.setattr(wiring, "contexts", lambda _: wiring.Contexts(wiring.ports(wiring.settings()), {}))
    answer = served("review").get(f"/{world.ctx.id}/{world.link()[0]}")
    assert answer.status_code == 500
    is_calm(answer)
    assert "PENSTOCK_" not in answer.text
    assert "PENSTOCK_BUCKET" in capsys.readouterr().out


def test_the_log_holds_no_token_no_code_and_no_value_of_a_record(
    world: World, visit: Any, batch: str, capsys: pytest.CaptureFixture[str]
) -> None:
    token, code = world.link()
    visitor = visit()
    visitor.open()
    visitor.send(WRONG)
    visitor.client.post(visitor.path, data={"code": code})
    visit(token[:-1]).open()
    visitor.send(code, "perhaps")
    visitor.send(code)
    visitor.send(code)
    said = "".join(capsys.readouterr())
    for secret in (token, token[:-1], code, "Canary", "Somebody Private", "LAW.P."):
        assert secret not in said
    assert [json.loads(line)["severity"] for line in said.splitlines()]


def test_looking_costs_the_same_reads_every_time(world: World, visit: Any, batch: str) -> None:
    visitor, packs = visit(), world.batch(batch).packs
    before = world.production.bill.reads
    for _ in range(20):
        visitor.open()
    assert world.production.bill.reads - before == 20 * (2 + packs)  # the link, the batch, its packs


def test_of_many_posts_at_once_one_decides(world: World, visit: Any, batch: str) -> None:
    visitor, code = visit(), world.link()[1]
    form = {"nonce": visitor.nonce(), "code": code}
    cookie = visitor.client.get_cookie(entry.COOKIE)
    assert cookie is not None
    app = visitor.client.application

    def post(n: int) -> int:
        client = app.test_client()
        client.set_cookie(entry.COOKIE, cookie.value)
        return client.post(visitor.path, data=form | {"verdict": ("approve", "reject")[n % 2]}).status_code

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(post, range(48)))
    assert sorted(set(answers)) == [200, 409]
    assert answers.count(200) == 1
    assert len(world.batch(batch).decisions) == 1


def test_the_link_of_one_target_opens_no_other() -> None:
    library = World(
        Path(__file__).parents[1] / "pipelines" / "library_loans.yaml", people={"librarians": (APPROVER, "b@example.org")}
    )
    library.put(
        library.source, "readers", [("r", {"card_number": "C-1", "active": True, "changed_at": Timestamp(1_780_000_000)})]
    )
    library.run()
    wiring.use(library.contexts)
    client, (token, _) = served("review"), library.link()
    assert client.get(f"/library_loans.north/{token}").status_code == 200
    assert client.get(f"/library_loans.south/{token}").status_code == 409
    wiring.use(None)
