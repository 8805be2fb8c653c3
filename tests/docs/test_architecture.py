"""The documents say what the code does."""

import re
from pathlib import Path

from penstock.core import layout
from penstock.core.batch import MOVES, Status

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()


def test_the_drawing_of_a_batchs_life_has_every_legal_move_and_no_other():
    drawn = set(re.findall(r"^\s+([A-Z_]+) --> ([A-Z_]+)$", ARCHITECTURE, re.M))
    assert drawn == {(a.value, b.value) for a, targets in MOVES.items() for b in targets}


def test_every_status_has_its_row_in_the_table_of_moves():
    assert set(MOVES) == set(Status)


def test_every_collection_of_ours_is_described():
    named = set(re.findall(r"`(penstock_[a-z]+)/", ARCHITECTURE))
    assert named == {v for k, v in vars(layout).items() if k.isupper() and isinstance(v, str) and v.startswith("penstock_")}


def test_every_room_of_the_house_is_there():
    rooms = re.findall(r"^  ([a-z_]+)/ ", ARCHITECTURE, re.M)
    assert rooms
    for room in rooms:
        assert (ROOT / "functions/penstock" / room).is_dir()
