"""Pictures for reports, drawn as inline SVG: no script, no style attribute, words beside every colour."""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from penstock.web.text import visible

WIDTH = 720
METRES_PER_DEGREE = 111_320.0


def bars(title: str, counts: Mapping[str, int]) -> Markup:
    """Horizontal bars, longest first, each with its name and number."""
    items = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    top = max((count for _, count in items), default=0) or 1
    whole = sum(counts.values())
    lines = []
    for place, (name, count) in enumerate(items):
        y, width = place * 28, max(2.0, 380 * count / top) if count else 0.0
        label = visible(name) or "(nothing)"
        label = label if len(label) <= 28 else label[:27] + "…"
        lines.append(
            Markup(
                '<text x="0" y="{}">{}</text><rect class="track" x="210" y="{}" width="380" height="16" rx="3"/>'
                '<rect class="bar" x="210" y="{}" width="{}" height="16" rx="3"/><text x="600" y="{}">{}</text>'
            ).format(y + 17, label, y + 4, y + 4, f"{width:.1f}", y + 17, f"{count:,} ({100 * count / (whole or 1):.0f} %)")
        )
    told = ", ".join(f"{visible(name)} {count:,}" for name, count in items)
    return _picture(title, told, WIDTH, max(28, 28 * len(items)), Markup("").join(lines))


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
    outside: int  # places beyond the frame


def places(title: str, found: Sequence[Place]) -> Map | None:
    """A map in metres with a scale bar: created as a disc, updated as a square, deleted as a cross, moved as a diamond with
    a line from where it was. The frame holds the middle 98 % in each direction, so that one coordinate gone astray does
    not shrink all the others to a dot."""
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
    return Map(_picture(title, told, WIDTH, round(height), Markup(frame + "".join(drawn))), outside)  # noqa: S704 - numbers only


def legend(actions: Sequence[str]) -> Markup:
    """The marks of `places` with their words, for those that occur."""
    names = {"CREATE": "created", "UPDATE": "updated in place", "DELETE": "deleted", "MOVED": "moved, line from before"}
    shown = [a for a in names if a in actions]
    drawn = Markup("").join(
        Markup('<g>{}<text x="{}" y="17">{}</text></g>').format(Markup(_mark(a, 10 + i * 150, 12)), 22 + i * 150, names[a])  # noqa: S704 - numbers only
        for i, a in enumerate(shown)
    )
    return _picture("Marks on the map", ", ".join(names[a] for a in shown), WIDTH, 26, drawn)


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
    margin = (high - low) * 0.05 or 0.0001
    return low - margin, high + margin


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

