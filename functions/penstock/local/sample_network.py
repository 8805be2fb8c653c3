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


def stamp(self, row: Row, day: int) -> None:
        """Stamps of day 0..399, the last one being 28 June 2025."""
        row["lst_mod_dt"] = _stamp(self._random, day)
        if row["Status"] and not row["date_status_changed"] and self._random.random() < 0.5:
            row["date_status_changed"] = _stamp(self._random, day)

    # -- what is wrong, on purpose

    def _plant(self, candidates: list[Pole]) -> None:
        random = self._random
        random.shuffle(candidates)
        take = iter(candidates)

        for n, pole in enumerate(_first(take, 4)):  # production knows it under a random id, or spelled otherwise
            assert pole.stored is not None
            if n < 2:
                pole.stored_id = "".join(random.choices("abcdefghijkmnpqrstuvwxyz23456789", k=20))
            elif n == 2:
                pole.stored_id = pole.stored["poleNumber"] = pole.number.lower()
            else:  # the source dropped the prefix
                for row in pole.rows:
                    row["Pole Number"] = pole.number.removeprefix("LAW.")
        self.planted["exists_elsewhere"] = 4

        for pole, name in zip(_first(take, 3), ("zoneNumber", "zoneNumber", "projectName"), strict=True):
            assert pole.stored is not None
            pole.stored[name] = "97" if name == "zoneNumber" else "MOHADIN"
            pole.rows[-1].update({"Sections": pole.zone, "Site": pole.site})
        (pole,) = _first(take, 1)
        row = self._visit(pole, APPROVED, self._new_drop())
        row["Location Address"] = pole.address = "7 Protea Street"
        for each in pole.rows:
            each["Location Address"] = each["Location Address"] and pole.address
        self._enter(row["Drop Number"], pole, address="1 Old Road")
        self.planted["different_values"] = 4

        for pole, before in zip(_first(take, 2), _first(take, 2), strict=True):  # entered on another pole before
            row = self._visit(pole, APPROVED, self._new_drop())
            self._enter(row["Drop Number"], before)
        self.planted["child_moves"] = 2

        (pole,) = _first(take, 1)  # drops whose pole is not known yet
        for _ in range(3):
            self._loose.append(self._row(pole, APPROVED, self._new_drop()) | {"Pole Number": "to be advised"})
        self.planted["child_without_parent"] = 3

        for pole, drops in zip(_first(take, 5), (13, 14, 10, 11, 12), strict=True):  # two stand in the way, three warn
            while pole.drops < drops:
                self._visit(pole, APPROVED, self._new_drop())
        self.planted["too_many_children"] = 5

        for _ in range(3):  # one drop that two poles claim
            one, other = _first(take, 2)
            drop = self._new_drop()
            self._visit(one, SIGNED_UP, drop)
            self._visit(other, SIGNED_UP, drop)
        self.planted["rivals"] = 3

        for n, pole in enumerate(_first(take, 5)):  # the latest record is right, an earlier one says otherwise
            if n < 2:
                pole.rows[0]["PONs"], pole.rows[-1]["PONs"] = "999", pole.pon
            elif n < 4:
                pole.rows[0]["Sections"], pole.rows[-1]["Sections"] = "99", pole.zone
            else:
                latitude, longitude = pole.place(random, 400)
                pole.rows[0].update({"Latitude": f"{latitude:.13f}", "Longitude": f"{longitude:.13f}"})
        self.planted["records_disagree"] = 5

        for pole in _first(take, 4):  # all of its records agree on another place
            pole.latitude, pole.longitude = pole.place(random, 120)
            for row in pole.rows:
                latitude, longitude = pole.place(random, 1.8)
                row.update({"Latitude": f"{latitude:.13f}", "Longitude": f"{longitude:.13f}"})
        self.planted["moved"] = 4

        for pole in _first(take, 3):
            assert pole.stored is not None
            pole.stored["importStatus"] = INSTALLED
            for row in pole.rows:
                row["Status"] = row["Flow Name Groups"] = APPROVED
        self.planted["status_backwards"] = 3

        first, second = _first(take, 2)  # in records without a drop, so that the pole alone is concerned
        for pole, columns in ((first, {"Latitude": "26.38 S"}), (second, {"date_status_changed": "2025-13-45"})):
            wrong = self._visit(pole, APPROVED)
            wrong.update(columns)
            pole.rows.insert(0, pole.rows.pop())
        self.planted["unconvertible"] = 2

        for n in range(40):  # poles that production does not have yet; three of them without a place
            pole = _pole("LAW.P", f"Y{n + 1:03d}", "LAWLEY", "21", "213", -26.3600 - n * 0.0004, 28.8300, "")
            self._network.append(pole)
            row = self._visit(pole, APPROVED)
            row.update({"PONs": pole.pon, "Sections": pole.zone})
            if n < 3:
                row.update({"Latitude": "", "Longitude": ""})
        self.planted["required"] = 3

        self.planted["mass_change"] = 1  # see `_network`: the PONs of one site were renumbered

    def second_day(self) -> SecondDay:
        """About 1,200 records of clean poles changed, of which some 130 are new; five of the poles were edited by hand."""
        random = Random(self._seed + 1)  # noqa: S311 - as above
        changed: dict[str, Row] = {}
        poles = [
            p for p in self._network if _quiet(p) and p.drops < MOST_DROPS and p.rows and p.rows[-1]["Status"] in PROGRESS[:-1]
        ]
        edits: dict[str, Mapping[str, Any]] = {}
        for n, pole in enumerate(poles[:1_060]):
            row = dict(pole.rows[-1])
            row["Status"] = row["Flow Name Groups"] = PROGRESS[PROGRESS.index(row["Status"]) + 1]
            row["lst_mod_dt"] = _stamp(random, 402)
            changed[row["Property ID"]] = self._whole(row)
            if n % 8 == 0:
                own = {"Property ID": str(900_001 + n), "Drop Number": f"DR{1_900_001 + n}", "lst_mod_dt": _stamp(random, 401)}
                changed[own["Property ID"]] = self._whole(row | own)
            if n % 200 == 100:
                edits[f"planned-poles/{pole.stored_id}"] = {"workflowGroup": "Checked on site"}
        return SecondDay(changed, edits, {"edited_by_hand": len(edits)})


def _quiet(pole: Pole) -> bool:
    """In the blocks that nothing is planted in: the second day happens there."""
    return pole.number.startswith(("LAW.P.A", "LAW.P.B"))


def _first(poles: Iterator[Pole], count: int) -> list[Pole]:
    return [next(poles) for _ in range(count)]


def stamp(random: Random, day: int) -> str:
    """One of the source's six shapes of a moment on day 0..402; day 399 is 28 June 2025."""
    month_day = _DAYS[day]
    clock = f"{random.randint(6, 17):02d}:{random.randint(0, 59):02d}:{random.randint(0, 59):02d}"
    shape = random.choices(range(6), (66, 7, 2, 1, 20, 4))[0]
    if shape < 4:
        return f"{month_day} {clock}.{random.randint(1, 9)}{random.randint(0, 10 ** (5 - shape) - 1):0{5 - shape}d}+02"
    return month_day if shape == 4 else f"{month_day}T{clock}.{random.randint(0, 999):03d}Z"


_DAYS = [(dt.date(2025, 6, 28) + dt.timedelta(days=day - 399)).isoformat() for day in range(403)]
