"""The report on a quarantined release: every fault in words, and nothing in it acts."""

from __future__ import annotations

import json

from penstock.core.release import Quarantine, Release, ReleaseState
from penstock.core.tree_checks import Fault
from penstock.core.values import Timestamp
from penstock.web.quarantine import LISTED, quarantine_files

PAYLOAD = "<script>alert(1)</script>"


def state(*, current: bool = True) -> ReleaseState:
    bad = Release("bad", Timestamp(1_790_000_000), 12, "d")
    good = Release("good", Timestamp(1_780_000_000), 11, "c") if current else None
    held = Quarantine(bad, Timestamp(1_785_000_000), {"orphan": 1}, "1 fault: 1 orphan", {})
    return ReleaseState("p.landlord.NP", "p", "landlord", "NP", current=good, read=bad, quarantine=held)


def test_the_page_names_every_fault_and_what_targets_keep() -> None:
    fault = Fault("orphan", ("W9",), "W9 hangs under X1, which NP does not have.")
    page = quarantine_files("Tenant geography", state(), [fault])["html"].decode()
    assert "W9 hangs under X1, which NP does not have." in page
    assert "1 fault: 1 orphan" in page
    assert "Targets keep what was read at" in page
    assert "11 documents" in page
    assert "<script" not in page
    assert "http" not in page.replace("http-equiv", "")


def test_without_an_earlier_release_it_says_that_targets_get_nothing() -> None:
    page = quarantine_files("T", state(current=False), [Fault("orphan", ("W9",), "text")])["html"].decode()
    assert "There is no earlier release" in page


def test_whatever_stands_in_an_id_is_shown_and_never_acts() -> None:
    page = quarantine_files(PAYLOAD, state(), [Fault("orphan", (PAYLOAD,), PAYLOAD)])["html"].decode()
    assert PAYLOAD not in page
    assert "&lt;script&gt;" in page


def test_the_page_lists_the_first_of_very_many_and_the_json_has_all() -> None:
    faults = [Fault("orphan", (f"W{n}",), f"W{n} hangs under nothing.") for n in range(LISTED + 5)]
    files = quarantine_files("T", state(), faults)
    assert f"the first {LISTED} of them" in files["html"].decode()
    assert f"W{LISTED + 1} hangs" not in files["html"].decode()
    told = json.loads(files["json"])
    assert len(told["faults"]) == LISTED + 5
    assert set(told) == {
        "schema", "title", "pipeline", "source", "partition", "release", "read_at", "since", "documents", "current", "counts",
        "why", "faults",
    }  # fmt: skip
    assert told["current"]["release"] == "good"
