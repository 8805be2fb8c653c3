"""Pictures for reports, drawn as inline SVG: no script, no style attribute, words beside every colour."""

from __future__ import annotations

import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from penstock.web.text import percent, visible

WIDTH, BARS = 720, 340  # user units: pixels where there is room
METRES_PER_DEGREE = 111_320.0


def bars(title: str, counts: Mapping[str, int]) -> Markup:
    """Horizontal bars, longest first, each with its name and number above it."""
    items = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    top, whole = max((count for _, count in items), default=0) or 1, sum(counts.values())
    lines = []
    for place, (name, count) in enumerate(items):
        y, width = place * 38, max(2.0, BARS * count / top) if count else 0.0
        label = visible(name) or "(nothing)"
        label = label if len(label) <= 34 else label[:33] + "…"
        lines.append(
            Markup(
                '<text x="0" y="{}">{}</text><text class="soft" x="{}" y="{}" text-anchor="end">{} ({})</text>'
                '<rect class="track" x="0" y="{}" width="{}" height="10" rx="3"/>'
                '<rect class="bar" x="0" y="{}" width="{}" height="10" rx="3"/>'
            ).format(y + 13, label, BARS, y + 13, f"{count:,}", percent(count, whole), y + 19, BARS, y + 19, f"{width:.1f}")
        )
    told = ", ".join(f"{visible(name)} {count:,}" for name, count in items)
    return _picture(title, told, BARS, max(10, 38 * len(items)), Markup("").join(lines))


@dataclass(frozen=True, slots=True)
class Place:
    """A changed place: degrees; `was` is where it stood before it moved."""

    latitude: float
    longitude: float
    action: str  # CREATE, UPDATE, DELETE
    was: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Map:
    """A drawing and what it leaves out."""

    picture: Markup
    ruler: str  # the length of the scale bar, in words
    outside: int  # places beyond the frame


def places(title: str, found: Sequence[Place]) -> Map | None:
    """A map in metres with a scale bar: created as a disc, updated as a square, deleted as a cross, moved as a diamond with
    a line from where it was. The frame leaves out coordinates gone astray (beyond the middle 98 % by more than its own
    extent), so that one of them does not shrink all the others to a dot."""
    points = [p for p in found if math.isfinite(p.latitude) and math.isfinite(p.longitude) and abs(p.latitude) <= 89]
    if not points:
        return None
    south, north = _frame([p.latitude for p in points])
    west, east = _frame([p.longitude for p in points])
    shrink = max(0.05, math.cos(math.radians((south + north) / 2)))
    metres_wide, metres_high = (east - west) * METRES_PER_DEGREE * shrink, (north - south) * METRES_PER_DEGREE
    extent = max(metres_wide, metres_high * 1.4, 20.0)
    scale = (WIDTH - 40) / extent  # pixels for a metre
    height = min(520.0, max(120.0, metres_high * scale + 70))
    middle = ((west + east) / 2, (south + north) / 2)

    def at(latitude: float, longitude: float) -> tuple[float, float]:
        x = WIDTH / 2 + (longitude - middle[0]) * METRES_PER_DEGREE * shrink * scale
        return x, (height - 30) / 2 - (latitude - middle[1]) * METRES_PER_DEGREE * scale

    drawn, outside = [], 0
    for point in points:
        x, y = at(point.latitude, point.longitude)
        if not (0 <= x <= WIDTH and 0 <= y <= height - 30):
            outside += 1
            continue
        if point.was is not None:
            x0, y0 = at(*point.was)
            drawn.append(f'<line class="moved" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x:.1f}" y2="{y:.1f}"/>')
        drawn.append(_mark("MOVED" if point.was else point.action, x, y))
    ruler = _ruler(extent)
    y = height - 14
    word = f"{ruler:,.0f} m" if ruler < 1000 else f"{ruler / 1000:,.0f} km"
    drawn.append(
        f'<path class="rule" fill="none" d="M20 {y - 6:.1f}v6h{ruler * scale:.1f}v-6"/>'
        f'<text x="{28 + ruler * scale:.1f}" y="{y:.1f}">{word}</text>'
    )
    frame = f'<rect class="frame" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 31:.1f}" rx="6"/>'
    told = f"{len(points):,} places; the bar is {word}"
    return Map(_picture(title, told, WIDTH, round(height), Markup(frame + "".join(drawn))), word, outside)  # noqa: S704 - numbers only


def legend(marks: Collection[str]) -> list[tuple[Markup, str]]:
    """The marks of `places` that occur, each with its words."""
    names = {"CREATE": "created", "UPDATE": "updated in place", "DELETE": "deleted", "MOVED": "moved, the line is from before"}
    small = Markup('<svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">{}</svg>')
    return [(small.format(Markup(_mark(a, 8, 8))), name) for a, name in names.items() if a in marks]  # noqa: S704 - numbers only


def _mark(action: str, x: float, y: float) -> str:
    if action == "CREATE":
        return f'<circle class="create" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
    if action == "DELETE":
        return f'<path class="delete" d="M{x - 4:.1f} {y - 4:.1f}l8 8m0 -8l-8 8"/>'
    if action == "MOVED":
        return f'<path class="moved" d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"/>'
    return f'<rect class="update" x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6"/>'


def _frame(values: list[float]) -> tuple[float, float]:
    values = sorted(values)
    cut = len(values) // 100
    low, high = values[cut], values[-1 - cut]
    extent = max(high - low, 0.0001)
    low, high = max(values[0], low - extent), min(values[-1], high + extent)
    return low - extent * 0.05, high + extent * 0.05


def _ruler(extent: float) -> float:
    """The longest of 1, 2, 5 · 10ⁿ metres that takes at most a quarter of the picture."""
    power = 10.0 ** math.floor(math.log10(extent / 4))
    return max(step * power for step in (1, 2, 5) if step * power <= extent / 4)


def _picture(title: str, told: str, width: int, height: int, inner: Markup) -> Markup:
    name = f"pic-{zlib.crc32(title.encode(errors='replace'))}"
    return Markup(
        '<svg role="img" aria-labelledby="{0}" viewBox="0 0 {1} {2}" width="{1}" height="{2}" xmlns="http://www.w3.org/2000/svg">'
        '<title id="{0}">{3}: {4}</title>{5}</svg>'
    ).format(name, width, height, escape(title), escape(told), inner)
