"""Lives that were lived together up to their last fault go as they do when each is lived by itself."""

import pytest
from support.faults import BY_CHANNEL, Fault

from simulation import forks
from simulation.forks import strike_each
from simulation.play import calm, strike

BIG = "big batch"


@pytest.mark.parametrize("first", [(), (Fault("change", 3, "killed after"),), (Fault("change", 4, "zombie"),)])
def test_a_life_that_forked_off_goes_as_the_same_life_by_itself(first: tuple[Fault, ...]) -> None:
    last = [Fault("change", at, mode) for at in (5, 9, 14) for mode in BY_CHANNEL["change"]]
    lives = strike_each(BIG, first, last)
    assert [life.last for life in lives] == last
    assert [(life.struck, life.broken) for life in lives] == [strike(BIG, *first, fault) for fault in last]


def test_a_call_that_never_comes_strikes_no_life() -> None:
    calls = len(calm(BIG)[1]["change"])
    struck, never = (Fault("change", at, "refused") for at in (calls, calls + 100))
    assert [life.last for life in strike_each(BIG, (), [struck, never])] == [struck]


def test_a_life_that_ends_in_no_law_is_told_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "strike", _failing)
    (one, other) = strike_each(BIG, (), [Fault("change", 1, "refused"), Fault("change", 1, "killed before")])[:2]
    assert "nobody foresaw this" in one.broken
    assert other.last.mode == "killed before"


def _failing(name: str, *faults: Fault, began: object) -> object:
    told = strike(name, *faults, began=began)  # type: ignore[arg-type]
    if told[0] and told[0][0][1] == "refused":
        raise RuntimeError("nobody foresaw this")
    return told
