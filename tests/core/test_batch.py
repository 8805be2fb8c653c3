from __future__ import annotations

from itertools import product

import pytest
from penstock.core.batch import DECIDED, MOVES, OPEN, Status, move
from penstock.core.errors import Refused

S = Status


@pytest.mark.parametrize(("now", "then"), list(product(Status, Status)))
def test_a_move_is_legal_by_the_table_alone_and_a_refusal_names_what_is(now: Status, then: Status) -> None:
    if then in MOVES[now]:
        assert move("b", now, then) is then
        return
    with pytest.raises(Refused, match=f"is {now} and cannot become {then}") as told:
        move("b", now, then)
    assert all(str(legal) in told.value.remedy for legal in MOVES[now])
    assert told.value.remedy


def reachable(start: Status) -> set[Status]:
    found, todo = set(), [start]
    while todo:
        for then in MOVES[todo.pop()] - found:
            found.add(then)
            todo.append(then)
    return found


@pytest.mark.parametrize("end", [S.REJECTED, S.EXPIRED, S.SUPERSEDED])
def test_what_is_rejected_expired_or_superseded_never_promotes(end: Status) -> None:
    assert reachable(end) == set()


def test_nothing_is_applied_but_through_a_review_and_an_approval() -> None:
    promoted = {S.APPLYING, S.APPLIED, S.PARTIALLY_APPLIED}
    into = {now for now, then in MOVES.items() if then & promoted}
    assert into - promoted == {S.APPROVED, S.FAILED, S.ROLLED_BACK}
    assert {now for now, then in MOVES.items() if S.APPROVED in then} == {S.UNDER_REVIEW}
    assert not OPEN & DECIDED


def test_every_status_is_reached_from_the_first_one() -> None:
    assert reachable(S.CREATED) == set(Status) - {S.CREATED}


def test_what_can_fail_is_open_or_decided_and_what_is_open_can_be_replaced() -> None:
    assert {now for now, then in MOVES.items() if S.FAILED in then} == OPEN | DECIDED
    assert {now for now, then in MOVES.items() if S.SUPERSEDED in then} - {S.FAILED} == OPEN


def test_at_its_end_a_batch_says_that_this_is_its_end() -> None:
    with pytest.raises(Refused, match="From here it can become nothing: this is its end"):
        move("b", S.REJECTED, S.APPROVED)
