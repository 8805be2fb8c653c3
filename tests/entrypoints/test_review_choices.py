"""What becomes of what hangs below a unit that goes, as the page's form says it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from penstock import wiring
from penstock.core.batch import Status
from penstock.local.identity import Issuer
from penstock.settings import Settings
from serving import ACCOUNT, AUDIENCE
from support.forest import Plan, custom, grown, units
from support.world import KEYS, World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> Iterator[World]:
    """Two wards go, and something hangs below each."""
    made = grown(units=[custom("k", "w2", "np.p1.d1.w2.k")])
    settings = Settings(
        projects={}, people={}, keys=KEYS, audience=AUDIENCE, accounts=frozenset({ACCOUNT}), certs_url=issuer.certs_url
    )
    wiring.use(made.contexts)
    monkeypatch.setattr(wiring, "settings", lambda: settings)
    yield made
    wiring.use(None)


@pytest.fixture
def batch(world: World) -> str:
    return Plan(world).update("w1", active=False).update("w2", active=False).stage().id


def active(world: World) -> dict[str, bool]:
    return {id: units(world)[id]["active"] for id in ("w1", "c1", "w2", "k")}


def test_one_is_kept_and_the_other_goes_with_what_hangs_below(world: World, visit: Any, batch: str) -> None:
    said = {"rule.dependents": "each", "choice.units/w1": "keep", "choice.units/w2": "cascade", "to.units/w1": ""}
    assert visit().send(world.link()[1], **said).status_code == 200
    assert (world.batch(batch).status, world.batch(batch).rejected) == (Status.APPLIED, 1)
    assert active(world) == {"w1": True, "c1": True, "w2": False, "k": False}


def test_one_answer_takes_all_along(world: World, visit: Any, batch: str) -> None:
    assert visit().send(world.link()[1], **{"rule.dependents": "cascade", "choice.units/w1": ""}).status_code == 200
    assert set(active(world).values()) == {False}


def test_what_hangs_below_moves_to_the_unit_that_is_named(world: World, visit: Any, batch: str) -> None:
    said = {"rule.dependents": "reject", "choice.units/w1": "reassign", "to.units/w1": " w2 "}
    assert visit().send(world.link()[1], **said).status_code == 200
    assert units(world)["c1"]["path"] == "np.p1.d1.w2.c1"
    assert active(world) == {"w1": False, "c1": True, "w2": True, "k": True}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"rule.dependents": "approve"}, "For each of them choose"),
        ({"choice.units/w1": "keep"}, "were given no word of their own"),
        ({"rule.dependents": "cascade", "choice.units/w1": "reassign"}, "Name the unit that everything moves to"),
        ({"rule.dependents": "cascade", "choice.units/w1": "reassign", "to.units/w1": "d2"}, "is of level 3"),
        ({"rule.dependents": "cascade", "to.units/w1": "w2"}, "no move was chosen"),
        ({"rule.dependents": "cascade", "choice.units/w1": "approve"}, "is neither cascade nor"),
        ({"rule.dependents": "cascade", "choice.units/w9": "cascade"}, "are not in this batch"),
        ({"rule.dependents": "each", "choice.units/w1": "cascade", "except": "units/w1"}, "to be kept"),
    ],
)
def test_a_form_that_leaves_it_open_decides_nothing_and_keeps_what_was_chosen(
    world: World, visit: Any, batch: str, said: dict[str, str], why: str
) -> None:
    answer = visit().send(world.link()[1], **said)
    assert answer.status_code == 422
    assert why in answer.text
    assert world.batch(batch).decisions == ()
    assert set(active(world).values()) == {True}


def test_to_reject_the_whole_batch_needs_no_choice(world: World, visit: Any, batch: str) -> None:
    said = {"choice.units/w1": "reassign", "to.units/w2": "w1"}
    assert visit().send(world.link()[1], "reject", **said).status_code == 200
    assert world.batch(batch).status is Status.REJECTED
