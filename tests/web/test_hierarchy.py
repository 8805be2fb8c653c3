"""The tree on the page and in the reports: where each change stands, before and after."""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import reviews
import trees
from hypothesis import given
from hypothesis import strategies as st
from penstock.core.lineage import Lineage, Unit
from penstock.core.plan import Row
from penstock.web import hierarchy, views
from penstock.web.hierarchy import Node
from penstock.web.pages import WebPages
from test_views import Page


def html(**fields: object) -> str:
    return views.review_page(trees.review(**fields), "/r/token")


def words(text: str) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", text).replace("&#39;", "'").split())


def outline(nodes: list[Node], depth: int = 0) -> list[str]:
    found = []
    for node in nodes:
        found.append("  " * depth + " ".join(filter(None, [node.unit.name, node.said and f"[{node.said}]", node.more])))
        found += outline(node.below, depth + 1)
    return found


def test_each_change_says_its_level_and_its_place_by_names() -> None:
    text = words(html())
    assert "units/n New Town Level 3, below Bagmati › Kathmandu" in text
    assert "units/d Kathmandu Level 2, from below Bagmati to below Gandaki" in text
    assert "120 members at or below it." in text


def test_the_tree_shows_what_moves_at_both_places_and_the_rest_once() -> None:
    assert outline(hierarchy.tree(trees.rows())) == [
        "Bagmati",
        "  Kathmandu [moves away] to Gandaki",
        "    Budhanilkantha City [gets another name] was called Budhanilkantha",
        "    New Town [new]",
        "    Old Town [no longer active]",
        "Gandaki",
        "  Kathmandu [moves here] from Bagmati",
    ]


def test_the_tree_folds_without_a_script_and_says_how_much_lies_in_it() -> None:
    page = Page(html())
    assert len(page.all("details")) == 4  # the whole, and each unit that has some below
    assert page.all("script") == []
    assert "Bagmati p 4 changes" in words(html())
    assert "Where these changes stand in the hierarchy, before and after" in words(html())


def test_a_batch_without_a_tree_has_none() -> None:
    page = views.review_page(reviews.review(), "/r/token")
    assert 'class="card hierarchy"' not in page
    assert "Level" not in page


def test_names_are_shown_and_never_act() -> None:
    hostile = "<img src=x onerror=alert(1)>\u202e"
    unit = Unit("x", hostile)
    row = replace(trees.rows()[1], lineage=Lineage("move", 2, unit, (Unit("q", hostile),), unit, (Unit("p", hostile),)))
    page = html(rows=(row,))
    assert "<img" not in page
    assert "\u202e" not in page
    assert page.count("&lt;img src=x") >= 6


def test_reports_carry_level_path_and_impact() -> None:
    files = WebPages().report("pre-sync", "Tenant geography", trees.review().batch, trees.rows())
    moved, new, *_ = csv.DictReader(io.StringIO(files["csv"].decode("utf-8-sig"), newline=""))
    assert (moved["level"], moved["path"], moved["impact"]) == ("2", "Gandaki › Kathmandu", "members: 120; own units: 3")
    assert (new["level"], new["path"], new["impact"]) == ("3", "Bagmati › Kathmandu › New Town", "")
    first, second, *_ = json.loads(files["json"])["changes"]
    assert first["place"] == {
        "step": "move",
        "level": 2,
        "before": {"id": "d", "name": "Kathmandu", "above": [{"id": "p", "name": "Bagmati"}]},
        "after": {"id": "d", "name": "Kathmandu", "above": [{"id": "q", "name": "Gandaki"}]},
        "impact": {"members": 120, "own units": 3},
    }
    assert second["place"]["before"] is None
    assert "from Bagmati" in words(files["html"].decode())


def test_a_long_report_draws_what_comes_moves_or_goes_before_what_only_changes() -> None:
    many = [trees.row(trees.updated(trees.named(f"p.u{n}"), names={"en": f"U {n}"})) for n in range(300)]
    files = WebPages().report("pre-sync", "Tenant geography", trees.review().batch, [*many, *trees.rows()])
    text = words(files["html"].decode())
    assert "Where the first 200 of 304 changes stand in the hierarchy" in text
    assert "moves here" in text


IDS = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1, max_size=5)


@given(st.lists(st.tuples(IDS, IDS, st.booleans()), max_size=8, unique_by=lambda drawn: drawn[0][-1]))
def test_every_change_stands_where_it_will_be_and_what_moves_where_it_was_too(
    drawn: list[tuple[list[str], list[str], bool]],
) -> None:
    rows = []
    for after, before, moves in drawn:
        unit, above, was = Unit(after[-1], after[-1]), [Unit(i, i) for i in after[:-1]], [Unit(i, i) for i in before[:-1]]
        of = Lineage("move" if moves else "update", len(after), unit, tuple(above), unit, tuple(was if moves else above))
        rows.append(Row(trees.NEW, lineage=of))
    said = {}

    def walk(nodes: list[Node], path: tuple[str, ...]) -> None:
        for node in nodes:
            said[(*path, node.unit.id)] = node.said
            assert node.changed
            walk(node.below, (*path, node.unit.id))

    walk(hierarchy.tree(rows), ())
    expected = set()
    for row in rows:
        assert row.lineage is not None
        ids = row.lineage.unit.id
        expected.add((*(u.id for u in row.lineage.above), ids))
        expected.add((*(u.id for u in row.lineage.was_above), ids))
    assert {path for path, word in said.items() if word} == expected
