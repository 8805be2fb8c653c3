from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from penstock.core import layout
from penstock.core.errors import InvalidInput
from penstock.core.limits import check_document_path
from penstock.core.values import Timestamp

moments = st.builds(Timestamp, st.integers(1_600_000_000, 4_000_000_000), st.integers(0, 999_999).map(lambda us: us * 1_000))


@given(moments, st.sampled_from(layout.KINDS))
def test_a_batch_id_tells_target_and_kind_and_is_the_same_for_the_same_run(moment: Timestamp, kind: str) -> None:
    id = layout.batch_id("fibre_network.fibreflow", moment, kind)
    assert layout.target_of(id) == ("fibre_network", "fibreflow")
    assert layout.kind_of(id) == kind
    assert id == layout.batch_id("fibre_network.fibreflow", moment, kind)


@given(st.lists(st.tuples(moments, st.sampled_from(layout.KINDS)), unique=True, max_size=20))
def test_no_two_runs_share_an_id_and_later_days_sort_later(runs: list[tuple[Timestamp, str]]) -> None:
    ids = {layout.batch_id("p.t", moment, kind): (moment, kind) for moment, kind in runs}
    assert len(ids) == len(runs)
    by_id = [ids[id][0] for id in sorted(ids)]
    assert [m.seconds for m in by_id] == sorted(m.seconds for m, _ in runs)


@pytest.mark.parametrize(
    "id",
    [
        "",
        "x",
        "../x",
        "p.t",
        "p.t.20260101t000000",
        "P.t.20260101t000000-000000",
        "p.t.20260101t000000-000000\n",
        "a/b",
        "é" * 500,
    ],
)
def test_anything_else_is_no_batch_id(id: str) -> None:
    with pytest.raises(InvalidInput, match="is not a batch id") as told:
        layout.target_of(id)
    assert len(str(told.value)) < 400


def test_every_path_is_one_of_a_document_and_packs_sort_by_number() -> None:
    batch = layout.batch_id("p.t", Timestamp(1_790_000_000), "sync")
    paths = [
        layout.target("p.t"),
        layout.batch(batch),
        layout.rejections(batch, 1),
        layout.audit("p.t", 1),
        layout.token("a" * 64),
    ]
    paths += [layout.outbox("fact"), *(layout.pack(batch, n) for n in range(12))]
    for path in paths:
        check_document_path(path)
    assert sorted(paths[-12:]) == paths[-12:]
    assert layout.audit("p.t", 9) < layout.audit("p.t", 10)
    assert layout.backup_blob("p.t", batch, 3) == f"backups/p.t/{batch}/00003.jsonl.gz"


@pytest.mark.parametrize("partition", ["", "N/P", "N.P", "N P", "x" * 65, "N\n"])
def test_a_partition_that_no_name_can_hold_is_refused(partition: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be the name of a partition"):
        layout.release_id("tenant_geography", "landlord", partition)


def test_what_lies_of_a_partition_begins_with_its_pipeline() -> None:
    id = layout.release_id("p", "s", "NP")
    assert layout.release(id) == "penstock_releases/p.s.NP"
    assert layout.release_blob(id, "x") == "releases/p.s.NP/x.json.gz"
    assert layout.quarantine_blob(id, "x", "html") == "quarantine/p.s.NP/x.html"
