from __future__ import annotations

import pytest
from penstock.core.certificate import Certificate
from penstock.core.values import Timestamp

AT = Timestamp(1_790_000_000)


def test_as_many_streamed_as_counted_is_complete_and_proves_what_is_absent() -> None:
    whole = Certificate("onemap", AT, "everything", 7, 7)
    assert whole.complete
    assert whole.proves_absence
    assert whole.told().endswith("7 of 7 documents read at 2026-09-21T14:13:20Z; the read was complete.")


@pytest.mark.parametrize("certificate", [
    Certificate("onemap", AT, "everything", 7, 6),
    Certificate("onemap", AT, "everything", 7, 8),
    Certificate("onemap", AT, "everything", 7, 7, "a document came twice"),
])  # fmt: skip
def test_any_other_number_and_any_doubt_is_not_and_says_why(certificate: Certificate) -> None:
    assert not certificate.complete
    assert not certificate.proves_absence
    assert "NOT complete" in certificate.told()
    assert certificate.why in certificate.told()
    assert "No delete is proposed" in certificate.told()


@pytest.mark.parametrize("of", ["changes", "again"])
def test_a_complete_read_of_less_than_everything_proves_nothing_absent(of: object) -> None:
    part = Certificate("onemap", AT, of, 3, 3)  # type: ignore[arg-type]
    assert part.complete
    assert not part.proves_absence
