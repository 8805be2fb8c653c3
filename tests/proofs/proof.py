"""What a proof comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Proof:
    """`counted`: what was tried, by its name in the plural (`runs` → 12,345). `violations`: each law broken, with the seed or the
    place that shows it again. `unreached`: what was to be tried and never was."""

    counted: Mapping[str, int]
    violations: Sequence[str] = field(default=())
    unreached: Sequence[str] = field(default=())

    @property
    def holds(self) -> bool:
        return not self.violations and not self.unreached and any(self.counted.values())

    def line(self, name: str) -> str:
        parts = [f"{many:,} {what}" for what, many in self.counted.items()]
        parts += [f"{len(self.unreached):,} unreached"] if self.unreached else []
        return f"{name}: {', '.join(parts)}, {len(self.violations):,} violations"
