"""What needs nobody's word, by cases: a batch of nothing but named changes, of which nothing was found."""

from __future__ import annotations

import pytest
from penstock.core.changes import Action, Change, FieldDiff, Finding, Severity
from penstock.core.declaration import Harmless
from penstock.core.harmless import classes_of

NAMED = {"renamed": Harmless("units", "update", (("names",), ("contact", "mail"))), "new": Harmless("units", "create")}


def change(action: Action, *fields: tuple[str, ...], entity: str = "units") -> Change:
    diff = tuple(FieldDiff(path, "old", "new") for path in fields)
    return Change(f"{entity}/a", entity, "g", f"{entity}/a", action, {}, None, {}, diff, "f")


def found(severity: Severity) -> Finding:
    return Finding("rule", severity, "units/a", "g", "text", "remedy")


RENAMED = change(Action.UPDATE, ("names",))
NEW = change(Action.CREATE, ("names",), ("level",), ("path",))


@pytest.mark.parametrize(
    ("changes", "classes"),
    [
        ([RENAMED], ("renamed",)),
        ([NEW, RENAMED, RENAMED], ("renamed", "new")),
        ([NEW], ("new",)),
        ([change(Action.UPDATE, ("names", "en"), ("contact", "mail"))], ("renamed",)),
        ([change(Action.UPDATE, ("contact",))], ()),  # more of a map than was named
        ([change(Action.UPDATE, ("names",), ("level",))], ()),
        ([RENAMED, change(Action.UPDATE, ("level",))], ()),
        ([change(Action.UPDATE, ("names",), entity="members")], ()),
        ([change(Action.DELETE)], ()),
        ([RENAMED, change(Action.DELETE)], ()),
        ([], ()),
    ],
)
def test_all_of_a_batch_falls_into_a_class_or_it_is_asked_about(changes: list[Change], classes: tuple[str, ...]) -> None:
    assert classes_of(NAMED, changes, ()) == classes


@pytest.mark.parametrize(("severity", "classes"), [("notice", ("renamed",)), ("warning", ()), ("blocker", ())])
def test_where_more_than_a_notice_was_found_it_is_asked_about(severity: Severity, classes: tuple[str, ...]) -> None:
    assert classes_of(NAMED, [RENAMED], [found("notice"), found(severity)]) == classes


def test_where_no_class_is_named_all_is_asked_about() -> None:
    assert classes_of({}, [RENAMED], ()) == ()
