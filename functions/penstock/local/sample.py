"""Made-up data of a fibre network, by the shape and with the quirks of a real one: property records of the source, poles and
drops as production holds them, and a second day of changes. A seed gives the same data every time.

A few conflicts are planted and counted in `planted`; all the rest agrees with production by construction, so a run that
finds anything else, or misses one, is wrong. `python -m penstock.local.sample --records out.jsonl --poles out.jsonl`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from penstock.core.values import Data
from penstock.local.sample_columns import unmapped
from penstock.local.sample_network import APPROVED, DECLINED, INSTALLED, PROGRESS, SIGNED_UP, Pole, Row, how_many, network, stamp

POLES = 5_287
RECORDS = 24_000
MOST_DROPS = 8  # on a pole that was not planted; the rule warns from 10

_NO_DROP = "no drop allocated"


@dataclass(frozen=True, slots=True)
class SecondDay:
    """What changes after the first sync: whole source records, new and changed, by id; edits that people make directly in
    production, by document path and field; and what the next run must find."""

    records: Mapping[str, Row]
    edits: Mapping[str, Mapping[str, Any]]
    planted: Mapping[str, int]


class Sample:
    """The first day. `planted` counts the conflicts by rule: how many poles or drops carry each."""

    def __init__(self, seed: int = 1) -> None:
        self._seed = seed
        self._random = Random(seed)  # noqa: S311 - made-up data, no secrets
        self.planted: dict[str, int] = {}
        self._next_drop = 1_700_001
        self._loose: list[Row] = []  # records that name no pole
        self._extra_drops: dict[str, Data] = {}  # drops that production holds already
        self._network = network(self._random)
        self._survey()
        self._number()

    def records(self, *, blanks: bool = True) -> Iterator[tuple[str, Row]]:
        """Document id and the whole record, all 159 columns, in the order of the ids. Without `blanks` the unmapped columns that
        hold nothing are left out: that loads twice as fast."""
        for row in self._rows:
            whole = self._whole(row)
            yield row["Property ID"], whole if blanks else {k: v for k, v in whole.items() if v or k in row}

    def poles(self) -> Iterator[tuple[str, Data]]:
        """Document id and fields of `planned-poles` in production."""
        for pole in self._network:
            if pole.stored is not None:
                yield pole.stored_id, pole.stored

    def drops(self) -> Iterator[tuple[str, Data]]:
        """Document id and fields of `drops` in production: the few that were entered there before."""
        yield from self._extra_drops.items()

    def _whole(self, row: Row) -> Row:
        own = Random(f"{self._seed} {row['Property ID']}")  # noqa: S311 - as above
        return {**row, **unmapped(own, row["Property ID"])}

    # -- what the surveyors wrote down

    def _survey(self) -> None:
        random = self._random
        surveyed = [pole for pole in self._network if random.random() < 0.95]
        for pole in surveyed:
            low = pole.stored is not None and "importStatus" in pole.stored  # then nothing may stand behind it
            statuses = PROGRESS if low else (*PROGRESS, *PROGRESS, DECLINED, "")
            for _ in range(how_many(random)):
                self._visit(pole, random.choice(statuses), drop=self._some_drop(pole))
        self._enter_drops([pole for pole in surveyed if pole.site == "MOHADIN"][:200])
        self._plant([pole for pole in surveyed if pole.number.startswith("LAW.P") and not _quiet(pole) and len(pole.rows) >= 3])
        for _ in range(RECORDS - len(self._loose) - sum(len(pole.rows) for pole in self._network)):
            row = self._row(random.choice(self._network), random.choice(PROGRESS), self._new_drop(0.97))
            self._loose.append(row | {"Pole Number": ""})

    def _enter_drops(self, poles: list[Pole]) -> None:
        for pole in poles:
            drop = pole.rows[0]["Drop Number"]
            if drop.startswith("DR"):
                self._enter(drop, pole)

    def _enter(self, drop: str, pole: Pole, **more: str) -> None:
        self._extra_drops[drop] = {"dropNumber": drop, "poleNumber": pole.number, **more}

    def _some_drop(self, pole: Pole) -> str:
        """A new drop mostly; sometimes none, sometimes one that the pole has already."""
        if pole.drops >= MOST_DROPS or (pole.drops and self._random.random() < 0.02):
            return next(row["Drop Number"] for row in reversed(pole.rows) if row["Drop Number"].startswith("DR"))
        return self._new_drop(0.97)

    def _new_drop(self, chance: float = 1.0) -> str:
        if self._random.random() >= chance:
            return self._random.choice((_NO_DROP, ""))
        self._next_drop += 1
        return f"DR{self._next_drop}"

    def _visit(self, pole: Pole, status: str, drop: str = _NO_DROP) -> Row:
        """Add one record to a pole."""
        row = self._row(pole, status, drop)
        if drop.startswith("DR") and not any(other["Drop Number"] == drop for other in pole.rows):
            pole.drops += 1
        pole.rows.append(row)
        return row

    def _row(self, pole: Pole, status: str, drop: str) -> Row:
        random = self._random
        latitude, longitude = pole.place(random, 1.8)
        return {
            "Property ID": "",
            "Pole Number": pole.number,
            "Drop Number": drop,
            "Latitude": f"{latitude:.13f}",
            "Longitude": f"{longitude:.13f}",
            "Location Address": pole.address if random.random() < 0.6 else "",
            "PONs": pole.pon if random.random() < 0.7 else random.choice(("", "N/A")),
            "Sections": pole.zone if random.random() < 0.7 else "",
            "Site": pole.site,
            "Status": status,
            "Flow Name Groups": status,
            "lst_mod_dt": "",
            "date_status_changed": "",
        }

    def _number(self) -> None:
        """Give the records their ids and stamps. The records of a pole are stamped in the order they were written."""
        random = self._random
        rows = [row for pole in self._network for row in pole.rows] + self._loose
        ids = random.sample(range(100_001, 100_001 + 2 * len(rows)), len(rows))
        for row, number in zip(rows, ids, strict=True):
            row["Property ID"] = str(number)
        for pole in self._network:
            for day, row in zip(sorted(random.sample(range(400), len(pole.rows))), pole.rows, strict=True):
                self._stamp(row, day)
        for row in self._loose:
            self._stamp(row, random.randrange(400))
        self._rows = sorted(rows, key=lambda row: row["Property ID"])

    def _stamp(self, row: Row, day: int) -> None:
        """Stamps of day 0..399, the last one being 28 June 2025."""
        row["lst_mod_dt"] = stamp(self._random, day)
        if row["Status"] and not row["date_status_changed"] and self._random.random() < 0.5:
            row["date_status_changed"] = stamp(self._random, day)

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
            pole = Pole(f"LAW.P.Y{n + 1:03d}", "LAWLEY", "21", "213", -26.3600 - n * 0.0004, 28.8300, "")
            self._network.append(pole)
            row = self._visit(pole, APPROVED)
            row.update({"PONs": pole.pon, "Sections": pole.zone})
            if n < 3:
                row.update({"Latitude": "", "Longitude": ""})
        self.planted["required"] = 3

        self.planted["mass_change"] = 1  # see `network`: the PONs of one site were renumbered

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
            row["lst_mod_dt"] = stamp(random, 402)
            changed[row["Property ID"]] = self._whole(row)
            if n % 8 == 0:
                own = {"Property ID": str(900_001 + n), "Drop Number": f"DR{1_900_001 + n}", "lst_mod_dt": stamp(random, 401)}
                changed[own["Property ID"]] = self._whole(row | own)
            if n % 200 == 100:
                edits[f"planned-poles/{pole.stored_id}"] = {"workflowGroup": "Checked on site"}
        return SecondDay(changed, edits, {"edited_by_hand": len(edits)})


def _quiet(pole: Pole) -> bool:
    """In the blocks that nothing is planted in: the second day happens there."""
    return pole.number.startswith(("LAW.P.A", "LAW.P.B"))


def _first(poles: Iterator[Pole], count: int) -> list[Pole]:
    return [next(poles) for _ in range(count)]


def main(arguments: list[str] | None = None) -> int:
    """Write the sample as JSON lines, `_id` being the document id."""
    parser = argparse.ArgumentParser(prog="python -m penstock.local.sample", description=main.__doc__)
    parser.add_argument("--seed", type=int, default=1)
    for name in ("records", "poles", "drops"):
        parser.add_argument(f"--{name}", type=Path, help=f"the file to write the {name} to")
    given = parser.parse_args(arguments)
    sample = Sample(given.seed)
    for path, documents in ((given.records, sample.records), (given.poles, sample.poles), (given.drops, sample.drops)):
        if path:
            with path.open("w", encoding="utf-8") as out:
                for document_id, data in documents():
                    out.write(json.dumps({"_id": document_id, **data}, ensure_ascii=False) + "\n")
    json.dump(sample.planted, sys.stdout, indent=2)
    print()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
