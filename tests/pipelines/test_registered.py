from typing import Any

import pytest
from penstock.core.errors import InvalidInput
from penstock.pipelines.registered import target_of
from penstock.pipelines.schema import load_all

PIPELINES = load_all()


def declared(pipeline: str, **more: Any) -> Any:
    named = {"pipeline": pipeline, "target": "nepal", "project": "tenants", "database": "(default)"}
    data = {**named, "changed_by": "ann@example.org", "changed_at": None, **more}
    return target_of(PIPELINES[pipeline], f"{pipeline}.nepal", data)


def test_a_target_of_a_shared_source_names_what_it_takes_of_it() -> None:
    assert declared("tenant_geography", partitions=["NP", "BT"]).partitions == ("NP", "BT")
    with pytest.raises(InvalidInput, match=r"Name at least one of those that the source `landlord` has"):
        declared("tenant_geography")


def test_a_target_of_a_source_that_is_not_shared_names_no_partitions() -> None:
    assert declared("fibre_network").partitions == ()
    with pytest.raises(InvalidInput, match=r"partitions: play no part"):
        declared("fibre_network", partitions=["NP"])


def test_a_target_names_harmless_classes_of_its_pipeline_or_says_nothing_of_them() -> None:
    def of(**more: Any) -> Any:
        return declared("tenant_geography", partitions=["NP"], **more).auto_approve

    assert (of(), of(auto_approve=[]), of(auto_approve=["renamed"])) == (None, (), ("renamed",))
    with pytest.raises(InvalidInput, match=r"auto_approve: names `moved`, which is no harmless class.*There are: renamed"):
        of(auto_approve=["moved"])
