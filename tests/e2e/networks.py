"""Made-up sources for whole runs: what lies in the source and in production at the beginning, and what must lie in production
afterwards. `outcome` is worked out here, by hand as it were, and not by the code under test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from penstock.core.values import Data, GeoPoint, Reference, Timestamp
from penstock.pipelines.schema import FOLDER

Documents = dict[str, Data]  # by path


@dataclass(frozen=True)
class Case:
    """`source` and `production` are what is there at first; production's paths lack the target's prefix. `outcome` gives the
    fields that every document of production must have in the end; `rejected` counts the changes that blockers kept away."""

    pipelines: Path
    name: str
    source: Mapping[str, Documents]  # by the name of the source
    production: Documents
    outcome: Callable[[str], Documents]  # by the name of the target's project
    changes: int
    rejected: int


APPROVED, SIGNED = "Pole Permission: Approved", "Home Sign Ups: Approved & Installation Scheduled"


def fibre(poles: int = 260) -> Case:
    """Two records and two drops for each pole. Every tenth pole is in production with an older status, which is brought forward.
    Every hundredth, which has no drops, is there under another spelling: an approver must decide on it, and keeps production."""
    records: Documents = {}
    production: Documents = {}
    outcome: Documents = {}
    for n in range(poles):
        pole, pon, disputed = f"LAW.P.A{n:04d}", str(10 + n % 30), n % 100 == 5
        for visit in range(2):
            number = f"{100_000 + 2 * n + visit}"
            drop = "no drop allocated" if disputed else f"DR{1_000_000 + 2 * n + visit}"
            records[f"onemap-records/{number}"] = {
                "Property ID": number,
                "Pole Number": pole,
                "Drop Number": drop,
                "Latitude": f"{-26.30 - n // 40 * 0.0004:.7f}",
                "Longitude": f"{27.80 + n % 40 * 0.0005:.7f}",
                "Location Address": f"{n} Long Street, Lawley",
                "PONs": pon,
                "Sections": "2",
                "Site": "LAWLEY",
                "Status": (APPROVED, SIGNED)[visit],
                "Flow Name Groups": "",
                "lst_mod_dt": f"2026-02-{1 + n % 27:02d} 0{visit + 1}:00:00",
                "date_status_changed": f"2026-01-{1 + n % 27:02d} 0{visit + 1}:00:00",
                "Contact Name": "Somebody Private",
            }
            if not disputed:
                outcome[f"drops/{drop}"] = {"dropNumber": drop, "poleNumber": pole, "ponNumber": pon}
        path = f"planned-poles/{pole}"
        outcome[path] = {"poleNumber": pole, "ponNumber": pon, "zoneNumber": "2", "importStatus": SIGNED}
        place = {"latitude": -26.30 - n // 40 * 0.0004, "longitude": 27.80 + n % 40 * 0.0005}
        if disputed:
            del outcome[path]
            spelled = pole.removeprefix("LAW.")
            production[f"planned-poles/{spelled}"] = {"poleNumber": spelled, "location": place}
            outcome[f"planned-poles/{spelled}"] = {"poleNumber": spelled, "importStatus": None}
        elif n % 10 == 0:
            held = {"poleNumber": pole, "ponNumber": pon, "zoneNumber": "2", "importStatus": APPROVED, "crew": f"crew {n}"}
            production[path] = {**held, "location": place}
            outcome[path] |= {"crew": f"crew {n}"}
    disputes = len(range(5, poles, 100))
    return Case(FOLDER, "fibre_network", {"onemap": records}, production, lambda _: outcome, 3 * poles - 2 * disputes, disputes)


def library(readers: int = 255) -> Case:
    """One document makes one document. Some readers are in production already, with fewer interests and an own field."""
    people: Documents = {}
    loans: Documents = {}
    production: Documents = {}
    outcome: Documents = {}
    for n in range(readers):
        changed, due = Timestamp(1_780_000_000 + n), Timestamp(1_790_000_000 + n, 500_000)
        people[f"readers/r{n}"] = {
            "card_number": f"C-{n:04d}",
            "language": ("portuguese", "english")[n % 2],
            "interests": "maps;chess",
            "active": n % 3 != 0,
            "home": GeoPoint(38.7 + n / 1000, -9.1),
            "changed_at": changed,
            "secret": "not for the branches",
        }
        shelf = Reference("projects/demo-catalogue/databases/main/documents/shelves/s1")
        loans[f"loans/l{n}"] = {
            "loan_number": f"{5_000 + n}",
            "reader_card": f"C-{n:04d}",
            "book": {"title": f"The {n}th Book"},
            "renewals": n % 4,
            "fine": n / 8,
            "due": due,
            "shelf": shelf,
            "changed_at": changed,
        }
        outcome[f"readers/C-{n:04d}"] = {"language": ("pt", "en")[n % 2], "interests": ["maps", "chess"], "active": n % 3 != 0}
        outcome[f"loans/{5_000 + n}"] = {"reader": f"C-{n:04d}", "title": f"The {n}th Book", "renewals": n % 4, "due": due}
        if n % 10 == 0:
            production[f"readers/C-{n:04d}"] = {
                "card": f"C-{n:04d}",
                "language": "pt",
                "shoe_size": 40 + n % 5,
                "nan": float("nan"),
            }
            outcome[f"readers/C-{n:04d}"] |= {"shoe_size": 40 + n % 5}
    source = {"people": people, "catalogue": loans}
    here = Path(__file__).parents[1] / "pipelines"
    return Case(here, "library_loans", source, production, lambda _: outcome, 2 * readers, 0)
