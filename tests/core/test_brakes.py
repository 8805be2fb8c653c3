from __future__ import annotations

import pytest
from penstock.core.brakes import tripped
from penstock.core.declaration import Brakes

HALF = Brakes(changed_share=0.5)


@pytest.mark.parametrize(
    ("counts", "production", "trips"),
    [
        ({"poles UPDATE": 50}, {"planned-poles": 100}, False),
        ({"poles UPDATE": 51}, {"planned-poles": 100}, True),
        ({"poles UPDATE": 40, "drops UPDATE": 40}, {"planned-poles": 60, "drops": 60}, True),
        ({"poles DELETE": 51}, {"planned-poles": 100}, True),
        ({"poles CREATE": 5_000}, {"planned-poles": 1}, False),
        ({"poles CREATE": 5_000}, {"planned-poles": 0, "drops": 0}, False),
        ({}, {}, False),
    ],
)
def test_a_batch_that_changes_more_than_the_band_is_held_and_creates_do_not_count(counts, production, trips) -> None:
    found = tripped(HALF, counts, production)
    assert bool(found) is trips
    for finding in found:
        assert (finding.severity, finding.key) == ("blocker", "")
        assert "50%" in finding.text
        assert finding.remedy


def test_the_finding_says_how_much_of_what() -> None:
    (finding,) = tripped(HALF, {"poles UPDATE": 3}, {"planned-poles": 4})
    assert finding.text == "3 of 4 production records (75%) would change; the band is 50%."


def test_a_band_of_everything_never_holds() -> None:
    assert tripped(Brakes(), {"poles UPDATE": 4}, {"planned-poles": 4}) == ()
