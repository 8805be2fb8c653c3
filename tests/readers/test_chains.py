"""Is a member's chain of units valid, against production alone."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from penstock.adapters.memory import MemoryStores
from penstock.core.errors import NoDatabase, Unavailable
from penstock.core.records import Set, Update
from penstock.core.values import Data
from penstock.ports import Store
from penstock.readers import geography as library
from penstock.readers import units
from penstock.readers.geography import Geography
from penstock.readers.units import Link, Rule, problems_of
from support.world import Clock

ROOT = Path(__file__).parents[2]
CHAIN = ("p1", "d1", "m1", "w1")


def unit(id: str, parent: str, level: int, **more: Any) -> tuple[str, Data]:
    fields: Data = {
        "landlordId": f"NP-{id}",
        "country": "NP",
        "level": level,
        "parentId": parent or None,
        "active": True,
        "names": {"en": id},
    }
    return id, {**{k: v for k, v in fields.items() if v is not None}, **more}


def put(store: Store, *docs: tuple[str, Data], prefix: str = "") -> None:
    store.commit([Set(f"{prefix}geography/{id}", data) for id, data in docs])


def small_country() -> list[tuple[str, Data]]:
    return [
        unit("p1", "", 1),
        unit("p2", "", 1),
        unit("d1", "p1", 2),
        unit("d2", "p2", 2),
        unit("m1", "d1", 3),
        unit("w1", "m1", 4),
        unit("c1", "w1", 5, official=False),
        unit("gone", "m1", 4, active=False),
        unit("in1", "", 1, country="IN"),
    ]


@pytest.fixture
def store() -> Store:
    return MemoryStores(Clock()).open("demo-tenant", "(default)")


@pytest.fixture
def geography(store: Store) -> Geography:
    put(store, *small_country())
    return Geography(store)


def kinds(geography: Geography, *chain: str | None, country: str = "NP") -> list[tuple[str, str]]:
    return [(p.kind, p.unit) for p in geography.validate(chain, country).problems]


def test_a_chain_of_active_units_each_the_child_of_the_one_before_is_valid(geography: Geography) -> None:
    for depth in range(5):
        assert geography.validate(CHAIN[:depth], "NP").valid
    assert geography.validate([*CHAIN, "c1"], "NP").valid  # a unit of the tenant's own is as good as any


def test_level_fields_that_are_empty_at_the_end_play_no_part(geography: Geography) -> None:
    answer = geography.validate(["p1", "d1", None, "", None, None, None, None], "NP")
    assert answer.valid
    assert answer.chain == ("p1", "d1")


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (("p1", "nobody"), [("missing", "nobody")]),
        (("p1", "d1", "m1", "gone"), [("inactive", "gone")]),
        (("in1",), [("wrong-country", "in1")]),
        (("p2", "d1"), [("not-a-child", "d1")]),
        (("d1", "m1"), [("not-a-child", "d1")]),
        (("p1", "m1"), [("not-a-child", "m1")]),
        (("p1", "p2"), [("not-a-child", "p2")]),
        (("p1", "p1"), [("not-a-child", "p1")]),
        (("p1", None, "m1"), [("gap", "")]),
        ((None, "d1"), [("gap", "")]),
        (tuple("abcdefghi"), [("too-long", "")]),
        (("p1", "nobody", "m1"), [("missing", "nobody"), ("not-a-child", "m1")]),
    ],
)
def test_what_is_wrong_is_named_with_the_unit(geography: Geography, chain: Any, expected: Any) -> None:
    assert kinds(geography, *chain) == expected
    assert all(p.text.endswith(".") for p in geography.validate(chain, "NP").problems)


@pytest.mark.parametrize(
    "id", ["a/b", "p1/x/y", "../members/m1", "p1.d1", ".", "..", "__x__", "x" * 1_501, "\x00", "ü" * 751, "\ud800"]
)
def test_an_id_that_no_unit_can_have_is_missing_and_never_a_path(geography: Geography, store: Store, id: str) -> None:
    put(store, ("m1", {"parentId": "", "country": "NP", "active": True}), prefix="geography/p1/")
    assert kinds(geography, id) == [("missing", id)]


def test_an_empty_chain_is_valid_where_geography_is_optional_and_reads_nothing(store: Store) -> None:
    geography = Geography(store, rules={"NP": Rule(minimum=3, optional=False)})
    assert geography.validate([None] * 8, "IN").valid
    assert kinds(geography) == [("required", "")]
    assert store.bill.operations == 0


def test_a_country_may_ask_for_more_levels(store: Store) -> None:
    put(store, *small_country())
    geography = Geography(store, rules={"NP": Rule(minimum=3)})
    assert kinds(geography, "p1", "d1") == [("too-short", "")]
    assert kinds(geography, "p1", "d1", "m1") == []
    assert kinds(geography, "in1", country="IN") == []


def test_without_geography_the_answer_is_clear(store: Store) -> None:
    geography = Geography(store, "tenants/nepal/")
    put(store, *small_country())  # another tenant's, under another prefix
    assert not geography.installed()
    assert geography.validate([], "NP").valid
    assert kinds(geography, "p1", "d1") == [("not-installed", "")]
    assert geography.unit("NP-p1") is None


def test_a_database_that_is_not_there_is_one_without_geography() -> None:
    class Nowhere:
        def get(self, *_: Any, **__: Any) -> Any:
            raise NoDatabase("NOT_FOUND: The database x does not exist", subject="1 document", remedy="Create it.")

        scan = get

    geography = Geography(Nowhere())  # type: ignore[arg-type]
    assert kinds(geography, "p1") == [("not-installed", "")]
    assert geography.unit("NP-p1") is None


def test_no_answer_of_the_database_is_an_error_and_not_a_refusal() -> None:
    class Down:
        def get(self, *_: Any, **__: Any) -> Any:
            raise Unavailable("UNAVAILABLE", subject="1 document", remedy="Try again in a minute.")

    geography = Geography(Down())  # type: ignore[arg-type]
    assert geography.validate([], "NP").valid
    with pytest.raises(Unavailable):
        geography.validate(["p1"], "NP")


# what is kept ---------------------------------------------------------------------------------------------------------------


def test_a_valid_chain_is_read_once_and_then_answered_from_memory(geography: Geography, store: Store) -> None:
    before = store.bill.rpcs
    for _ in range(100):
        assert geography.validate(CHAIN, "NP").valid
    assert store.bill.rpcs - before == 1


def test_a_refusal_is_never_told_from_memory(store: Store) -> None:
    geography = Geography(store)
    put(store, *[u for u in small_country() if u[0] != "w1"])
    assert kinds(geography, *CHAIN) == [("missing", "w1")]
    put(store, unit("w1", "m1", 4))
    assert kinds(geography, *CHAIN) == []
    # Nor is one that another country's member got from what is kept.
    assert kinds(geography, *CHAIN, country="IN")[0] == ("wrong-country", "p1")
    assert kinds(geography, *CHAIN) == []


def test_what_is_kept_is_asked_for_again_when_its_time_is_over(store: Store) -> None:
    put(store, *small_country())
    now = [0.0]
    geography = Geography(store, seconds=60, clock=lambda: now[0])
    assert kinds(geography, *CHAIN) == []
    store.commit([Update("geography/w1", {"active": False}, (("active",),))])
    now[0] = 59.0
    assert kinds(geography, *CHAIN) == []
    now[0] = 60.0
    assert kinds(geography, *CHAIN) == [("inactive", "w1")]


def test_only_so_many_chains_are_kept(store: Store) -> None:
    put(store, *[unit(f"p{n}", "", 1) for n in range(50)])
    geography = Geography(store, size=10)
    for n in range(50):
        assert kinds(geography, f"p{n}") == []
    assert len(geography._chains) == 10


def test_a_warm_answer_takes_far_less_than_five_milliseconds(geography: Geography) -> None:
    geography.validate(CHAIN, "NP")
    took = []
    for _ in range(2_000):
        start = time.perf_counter()
        geography.validate(CHAIN, "NP")
        took.append(time.perf_counter() - start)
    assert sorted(took)[len(took) * 99 // 100] < 0.005


def test_threads_share_one_instance(geography: Geography) -> None:
    chains = [CHAIN[: 1 + n % 4] for n in range(400)] + [("p2", "d2"), ("p2", "d1")] * 50
    random.Random(1).shuffle(chains)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda chain: geography.validate(chain, "NP").valid, chains))
    assert answers == [chain != ("p2", "d1") for chain in chains]


# properties -----------------------------------------------------------------------------------------------------------------

IDS = st.sampled_from([f"u{n}" for n in range(6)])
LINKS = st.builds(Link, st.sampled_from(["NP", "IN"]), st.one_of(st.just(""), IDS), st.booleans())


@given(st.dictionaries(IDS, LINKS), st.lists(IDS, min_size=1, max_size=8), st.integers(0, 8))
def test_no_problem_is_found_exactly_where_every_condition_holds(known: dict[str, Link], chain: list[str], minimum: int) -> None:
    good = len(chain) >= minimum
    for n, id in enumerate(chain):
        link = known.get(id)
        good = good and link is not None and link.active and link.country == "NP" and link.parent == (chain[n - 1] if n else "")
    found = problems_of(tuple(chain), [known.get(id) for id in chain], "NP", Rule(minimum))
    assert (found == ()) is good


# what the library takes for granted ----------------------------------------------------------------------------------------


def test_the_library_reads_the_fields_that_the_pipeline_writes() -> None:
    declared = yaml.safe_load((ROOT / "functions/penstock/pipelines/tenant_geography.yaml").read_text())
    entity, source = declared["entities"][library.ENTITY], declared["sources"]["landlord"]
    assert (declared["name"], entity["collection"], source["collection"]) == (
        library.PIPELINE,
        library.COLLECTION,
        library.LANDLORD_COLLECTION,
    )
    tree, mapped = entity["tree"], {name: field["from"] for name, field in entity["fields"].items()}
    assert (entity["key"], tree["parent"], tree["path"], tree["own"]) == (
        units.KEY,
        units.PARENT,
        units.PATH,
        {"field": units.OFFICIAL, "value": True},
    )
    assert tree["levels"]["last"] == units.LAST_LEVEL
    assert entity["deactivate"] == {"field": units.ACTIVE, "value": False}
    for name in (units.KEY, units.COUNTRY, units.LEVEL, units.TYPE, units.CODE, units.NAMES, units.ACTIVE):
        assert mapped[name] == units.FROM_LANDLORD.get(name, name)
    assert mapped["landlordParent"] == units.FROM_LANDLORD[units.PARENT]


def test_what_changed_a_moment_ago_is_read_as_of_the_last_change(store: Store) -> None:
    """A request in the middle of which a move is committed: its first half is older than its second."""
    put(store, *small_country())

    class Torn:
        pinned: list[Any] = []  # noqa: RUF012

        def get(self, paths: Any, read_time: Any = None, select: Any = None) -> Any:
            self.pinned.append(read_time)
            if read_time is not None:
                return store.get(paths, read_time, select)
            first = store.get(paths[:1], None, select)
            put(store, unit("p1", "", 1, active=False), unit("m1", "d1", 3, active=True))
            return first + store.get(paths[1:], None, select)

        def scan(self, query: Any) -> Any:
            return store.scan(query)

    put(store, unit("m1", "d1", 3, active=False))
    torn = Torn()
    geography = Geography(torn, now=lambda: Clock().time.seconds)  # type: ignore[arg-type]
    assert kinds(geography, "p1", "d1", "m1") == [("inactive", "p1")]
    assert len(torn.pinned) == 2
    assert torn.pinned[1] is not None
