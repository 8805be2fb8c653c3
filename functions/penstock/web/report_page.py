"""The picture page of a report: what it keeps of the rows while they pass, and how that becomes HTML."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from penstock.core.changes import SEVERITIES, Action, ChangeStatus, Finding
from penstock.core.plan import Batch, Row
from penstock.core.values import Data, dotted
from penstock.web import hierarchy, summary, svg
from penstock.web.environment import render
from penstock.web.text import duration
from penstock.web.views import alike, outcome

LISTED = 200  # conflicts, drifted and failed changes named on the page, and changes in its hierarchy; the CSV names all
SAMPLES = 10
MAP_POINTS = 4_000
MANY_VALUES = 40  # a distribution over more values is no picture
DISTRIBUTED = ("importStatus", "status", "projectName")  # fields whose values are counted, where records have them
LATITUDE, LONGITUDE = ("location", "latitude"), ("location", "longitude")


@dataclass(slots=True)
class Gathered:
    """What the page keeps: counters, and lists with a limit."""

    rows: int = 0
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)  # (entity, action)
    statuses: Counter[str] = field(default_factory=Counter)
    values: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in DISTRIBUTED})
    found: dict[str, list[tuple[Finding, Row]]] = field(default_factory=lambda: {s: [] for s in SEVERITIES})
    found_total: Counter[tuple[str, str]] = field(default_factory=Counter)  # (rule, severity)
    drifted: list[Row] = field(default_factory=list)
    drifted_total: int = 0
    several: list[tuple[Row, list[str]]] = field(default_factory=list)
    several_total: int = 0
    samples: list[Row] = field(default_factory=list)
    placed_total: int = 0  # changes of units of a tree
    _placed: list[Row] = field(default_factory=list)  # those of them that come, move or go, and others
    _kept: list[Row] = field(default_factory=list)
    moved: int = 0
    places_total: int = 0
    _places: list[svg.Place] = field(default_factory=list)
    _stride: int = 1

    def add(self, row: Row) -> None:
        change = row.change
        self.rows += 1
        self.actions[change.entity, change.action.value] += 1
        self.statuses[row.status.value] += 1
        before, after = change.before or {}, change.after or {}
        for name, counter in self.values.items():
            value = after.get(name, before.get(name))
            if isinstance(value, str):
                counter[value] += 1
        for finding in row.findings:
            self.found_total[finding.rule, finding.severity] += 1
            kept = self.found[finding.severity]
            if len(kept) < LISTED:
                kept.append((finding, row))
        if row.status is ChangeStatus.DRIFTED:
            self.drifted_total += 1
            if len(self.drifted) < LISTED:
                self.drifted.append(row)
        statuses = change.facts.get("statuses")
        if isinstance(statuses, list | tuple) and len(statuses) > 1:
            self.several_total += 1
            if len(self.several) < SAMPLES * 3:
                self.several.append((row, [str(s) for s in statuses]))
        if len(self.samples) < SAMPLES:
            self.samples.append(row)
        if row.lineage is not None:
            self.placed_total += 1
            placed = self._kept if row.lineage.step == "update" else self._placed
            if len(placed) < LISTED:
                placed.append(row)
        if place := _place(change.action, before, after):
            self._keep(place)

    def _keep(self, place: svg.Place) -> None:
        self.moved += place.was is not None
        if self.places_total % self._stride == 0:
            self._places.append(place)
            if len(self._places) >= 2 * MAP_POINTS:  # thin out evenly over the whole run
                self._places = self._places[::2]
                self._stride *= 2
        self.places_total += 1

    @property
    def places(self) -> list[svg.Place]:
        return self._places[:: -(-len(self._places) // MAP_POINTS) or 1]

    @property
    def placed(self) -> list[Row]:
        """Changes of units of a tree, what comes, moves or goes first, at most `LISTED`."""
        return [*self._placed, *self._kept][:LISTED]

    @property
    def conflicts(self) -> list[tuple[Finding, Row]]:
        """The worst, at most `LISTED`; notices are not conflicts."""
        return [*self.found["blocker"], *self.found["warning"]][:LISTED]

    @property
    def conflicts_total(self) -> int:
        return sum(count for (_, severity), count in self.found_total.items() if severity != "notice")


def report_page(kind: str, title: str, batch: Batch, seen: Gathered) -> str:
    """Self-contained HTML: style and pictures inside, no script, nothing fetched."""
    places = seen.places
    drawn = svg.places("Map of the changed places", places)
    marks = {"MOVED" if p.was else p.action for p in places}
    after = kind != "pre-sync"
    decided = batch.decisions[-1].at if batch.decisions else None
    took = summary.seconds(batch)
    return render(
        "report.html",
        kind=kind,
        after=after,
        title=title,
        batch=batch,
        seen=seen,
        headline=outcome(batch) if after else summary.recommendation(batch),
        sentence=summary.sentence(batch),
        status_words=summary.status_words(batch),
        severities=summary.severities(batch),
        masses=summary.masses(batch),
        brakes=summary.brakes(batch),
        took=duration(took) if took is not None else "",
        decided=decided,
        action_bars=svg.bars("Changes by action", _joined(seen.actions)),
        status_bars=svg.bars("Changes by status", {s.lower().replace("_", " "): n for s, n in seen.statuses.items()}),
        value_bars=[(name, svg.bars(f"Changed records by {name}", counter)) for name, counter in _pictured(seen)],
        map=drawn,
        hierarchy=hierarchy.tree(seen.placed),
        legend=svg.legend(marks),
        places_shown=len(places),
        resolved=sum(by["blocker"] + by["warning"] for _, by in summary.rules(batch)) if after else 0,
        bill=summary.bill(batch),
        priced=summary.priced(batch),
        counted=summary.counted,
        rules=summary.rules,
        alike=alike,
        finding_values=_finding_values,
        skipped=_skipped(batch),
    )


def _pictured(seen: Gathered) -> list[tuple[str, Counter[str]]]:
    return [(name, counter) for name, counter in seen.values.items() if 0 < len(counter) <= MANY_VALUES]


def _joined(counter: Counter[tuple[str, str]]) -> dict[str, int]:
    return {f"{entity} {action.lower()}": count for (entity, action), count in counter.items()}


def _skipped(batch: Batch) -> list[tuple[str, str, int]]:
    found = [(entity, reason, count) for entity, tally in batch.tallies.items() for reason, count in tally.skipped.items()]
    return sorted(found, key=lambda line: -line[2])


def _finding_values(finding: Finding, row: Row) -> Any:
    """The field's diff that a finding speaks of, if it speaks of one."""
    return next((d for d in row.change.diff if finding.field and dotted(d.path) == finding.field), None)


def _place(action: Action, before: Data, after: Data) -> svg.Place | None:
    if not (_location(before) or _location(after)):
        return None
    was, now = _point(before), _point({**before, **after, "location": _location(before) | _location(after)})
    if action is Action.DELETE:
        return svg.Place(*was, "DELETE") if was else None
    if now is None:
        return None
    moved = was is not None and was != now
    return svg.Place(*now, action.value, was if moved else None)


def _location(data: Data) -> Data:
    found = data.get(LATITUDE[0])
    return found if isinstance(found, dict) else {}


def _point(data: Data) -> tuple[float, float] | None:
    location = _location(data)
    latitude, longitude = location.get(LATITUDE[1]), location.get(LONGITUDE[1])
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    return (float(latitude), float(longitude)) if math.isfinite(latitude) and math.isfinite(longitude) else None
