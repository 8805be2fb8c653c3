"""A request that carries a key: done once, whoever is quicker, and whatever becomes of the notes about it."""

from __future__ import annotations

from typing import Any

import pytest
from penstock.core.errors import InvalidInput, OutcomeUnknown, PenstockError, Refused, Unavailable
from penstock.use_cases.repeating import KEPT_SECONDS, LONGEST_KEY, Answer, once
from support.world import World

ANN = "ann@example.org"


@pytest.fixture
def world() -> World:
    return World()


def ask(world: World, done: list[str], status: int = 200, key: str = "k") -> Answer:
    """Send the request; `done` gets a word whenever it is done."""

    def do() -> Answer:
        done.append("done")
        return Answer(status, f"answer {len(done)}")

    return once(world.ctx, ANN, key, "request", do)


def commit_fails(world: World, monkeypatch: pytest.MonkeyPatch, at: int, error: PenstockError, *, applied: bool = False) -> None:
    """The commit of this number, from 1, ends so; the others are as ever."""
    real, seen = world.production.commit, list[int]()

    def commit(writes: Any) -> Any:
        seen.append(1)
        if len(seen) != at:
            return real(writes)
        if applied:
            real(writes)
        raise error

    monkeypatch.setattr(world.production, "commit", commit)


def noted(world: World) -> list[tuple[int, str]]:
    return [(data["status"], data["body"]) for data in world.documents("penstock_requests").values()]


@pytest.mark.parametrize("old", [False, True], ids=["the first", "behind one that was forgotten"])
def test_of_two_that_claim_a_key_at_once_one_is_done(world: World, monkeypatch: pytest.MonkeyPatch, old: bool) -> None:
    done: list[str] = []
    if old:
        ask(world, [])
        world.clock.forward(KEPT_SECONDS + 1)
    real, raced = world.production.commit, list[int]()

    def commit(writes: Any) -> Any:
        if not raced:
            raced.append(1)
            ask(world, done)
        return real(writes)

    monkeypatch.setattr(world.production, "commit", commit)
    with pytest.raises(Refused, match="is still being answered"):
        ask(world, done)
    assert (done, noted(world)) == (["done"], [(200, "answer 1")])


@pytest.mark.parametrize("applied", [False, True])
def test_a_claim_whose_answer_was_lost_is_told_and_nothing_is_done(
    world: World, monkeypatch: pytest.MonkeyPatch, applied: bool
) -> None:
    done: list[str] = []
    with monkeypatch.context() as patch:
        commit_fails(world, patch, 1, OutcomeUnknown("lost"), applied=applied)
        with pytest.raises(Unavailable, match=r"Nothing was done\. Send it again"):
            ask(world, done)
    assert done == []
    world.clock.forward(world.ports.stale_seconds + 1)
    assert ask(world, done) == Answer(200, "answer 1")


@pytest.mark.parametrize("error", [OutcomeUnknown("lost"), Unavailable("the database is away")])
def test_an_answer_that_cannot_be_noted_is_given_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch, error: PenstockError
) -> None:
    done: list[str] = []
    with monkeypatch.context() as patch:
        commit_fails(world, patch, 2, error)
        assert ask(world, done) == Answer(200, "answer 1")
    with pytest.raises(Refused, match="is still being answered"):
        ask(world, done)
    world.clock.forward(world.ports.stale_seconds + 1)
    assert ask(world, done) == Answer(200, "answer 2")
    assert ask(world, done) == Answer(200, "answer 2", repeated=True)


@pytest.mark.parametrize(("status", "kept"), [(200, 1), (404, 1), (499, 1), (500, 0), (503, 0)])
def test_a_refusal_is_kept_and_a_failure_of_ours_is_not(world: World, status: int, kept: int) -> None:
    done: list[str] = []
    assert ask(world, done, status) == Answer(status, "answer 1")
    assert len(noted(world)) == kept
    assert ask(world, done, status).repeated is bool(kept)


def test_what_was_raised_leaves_no_claim(world: World) -> None:
    def fails() -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        once(world.ctx, ANN, "k", "request", fails)
    assert noted(world) == []


@pytest.mark.parametrize("key", ["", "x" * (LONGEST_KEY + 1), "a\nb", "\x7f", "ключ"])
def test_a_key_is_short_and_visible(world: World, key: str) -> None:
    done: list[str] = []
    with pytest.raises(InvalidInput, match="visible characters"):
        ask(world, done, key=key)
    assert (done, noted(world)) == ([], [])
    assert ask(world, done, key="x" * LONGEST_KEY).status == 200
