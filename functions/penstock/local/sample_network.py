"""The poles of the made-up network, true to scale: where they stand, what production holds of them."""

from __future__ import annotations

import datetime as dt
import math
from dataclasses import dataclass, field
from random import Random

from penstock.core.values import Data

APPROVED, DECLINED = "Pole Permission: Approved", "Pole Permission: Declined"
SIGNED_UP, BUILDING = "Home Sign Ups: Approved & Installation Scheduled", "Home Installation: In Progress"
INSTALLED = "Home Installation: Installed"
PROGRESS = (APPROVED, SIGNED_UP, BUILDING, INSTALLED)

BUSIEST = 16  # records of one pole

_STREETS = ("Protea", "Acacia", "Marula", "Baobab", "Aloe", "Jacaranda", "Cycad", "Yellowwood", "Wild Fig", "Camelthorn")
_METRES_PER_DEGREE = 111_320.0

Row = dict[str, str]


@dataclass(slots=True)
class Pole:
    """A pole as it really stands; `stored` is what production holds of it (None: nothing yet), under the id `stored_id`."""

    number: str
    site: str
    zone: str
    pon: str
    latitude: float
    longitude: float
    address: str
    stored_id: str = ""
    stored: Data | None = None
    rows: list[Row] = field(default_factory=list)  # mapped columns of its property records, oldest first
    drops: int = 0

    def place(self, random: Random, metres: float) -> tuple[float, float]:
        """Somewhere at most so many metres away, and at least half of it."""
        angle, far = random.uniform(0, 2 * math.pi), random.uniform(metres / 2, metres)
        north = far * math.cos(angle) / _METRES_PER_DEGREE
        east = far * math.sin(angle) / (_METRES_PER_DEGREE * math.cos(math.radians(self.latitude)))
        return self.latitude + north, self.longitude + east


def network(random: Random) -> list[Pole]:
    """All poles of production, along streets some thirty metres apart. One small site's PONs were renumbered at the source:
    hundreds of changes that are one decision."""
    poles: list[Pole] = []
    for prefix, site, count, south, east in (
        ("LAW.P", "LAWLEY", 4_468, -26.3784, 28.8083),
        ("LAW.S", "LAWLEY", 169, -26.4210, 28.8083),
        ("MOH.P", "MOHADIN", 650, -26.9760, 26.6810),
    ):
        for n in range(count):
            row, column = divmod(n, 60)
            letter, serial = divmod(n, 999)
            zone, pon = 1 + n // 224, 1 + n // 21
            pole = Pole(
                f"{prefix}.{chr(ord('A') + letter)}{serial + 1:03d}",
                site,
                str(zone),
                str(pon),
                south - row * 0.0004 + random.uniform(-2e-5, 2e-5),
                east + column * 0.0003 + random.uniform(-2e-5, 2e-5),
                f"{random.randint(1, 240)} {_STREETS[row % len(_STREETS)]} Street" if random.random() < 0.8 else "",
            )
            pole.stored_id = pole.number
            pole.stored = {
                "poleNumber": pole.number,
                "location": {"latitude": round(pole.latitude, 8), "longitude": round(pole.longitude, 12)},
                "ponNumber": pole.pon,
                "zoneNumber": pole.zone,
                "poleType": random.choice(("feeder", "distribution")),
                "status": "Permission not granted",
                "projectName": pole.site,
            }
            if site == "MOHADIN":
                pole.pon = str(500 + pon)
            elif random.random() < 0.1:
                pole.stored["importStatus"] = APPROVED
            poles.append(pole)
    return poles


def how_many(random: Random) -> int:
    """Records of one pole: mostly two to five, seldom more, up to sixteen."""
    if random.random() < 0.004:
        return BUSIEST
    return random.choices((1, 2, 3, 4, 5, 6, 7, 8), (16, 22, 22, 17, 11, 6, 3, 3))[0]


def stamp(random: Random, day: int) -> str:
    """One of the source's six shapes of a moment on day 0..402; day 399 is 28 June 2025."""
    month_day = _DAYS[day]
    clock = f"{random.randint(6, 17):02d}:{random.randint(0, 59):02d}:{random.randint(0, 59):02d}"
    shape = random.choices(range(6), (66, 7, 2, 1, 20, 4))[0]
    if shape < 4:
        return f"{month_day} {clock}.{random.randint(1, 9)}{random.randint(0, 10 ** (5 - shape) - 1):0{5 - shape}d}+02"
    return month_day if shape == 4 else f"{month_day}T{clock}.{random.randint(0, 999):03d}Z"


_DAYS = [(dt.date(2025, 6, 28) + dt.timedelta(days=day - 399)).isoformat() for day in range(403)]
