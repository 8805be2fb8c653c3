"""Takes what tests need of ISO 3166-2, as the world changed it, out of released archives of pycountry, into a fixture:

    PYTHONPATH=tests .venv/bin/python -m support.iso_archives FOLDER

FOLDER holds the archives; nothing in them is run. Their data come from Debian's iso-codes (LGPL 2.1 or later)."""

from __future__ import annotations

import json
import re
import sys
import tarfile
import xml.etree.ElementTree as ET
import zipfile
from pathlib import Path

FIXTURE = Path(__file__).parents[1] / "fixtures" / "iso_3166_2.json"
CASES = {  # name → country, the releases one after the other
    "codes changed hands": ("IR", "20.7.3", "22.1.10"),
    "regions redrawn": ("MA", "18.12.8", "19.8.18"),
    "recoded and moved": ("CZ", "1.20", "16.11.27.1"),
    "regions merged": ("FR", "16.11.27.1", "17.5.14"),
    "recoded": ("ZA", "18.5.26", "18.12.8"),
    "provinces became counties": ("KE", "19.8.18", "20.7.3"),
    "its own parent": ("ES", "0.10", "1.2"),
    "parents that are not there": ("AL", "0.10", "1.2"),
}
SOURCE = "pycountry, after Debian's iso-codes; LGPL 2.1 or later"
_FILE = re.compile(r"databases/iso3166[_-]2\.(xml|json)$")

Rows = list[list[str]]  # [code, name, type, code of the parent or ""]


def _content(archive: Path) -> tuple[str, bytes]:
    if archive.suffix == ".zip":
        with zipfile.ZipFile(archive) as zipped:
            name = next(n for n in zipped.namelist() if _FILE.search(n))
            return name, zipped.read(name)
    with tarfile.open(archive) as tar:
        name = next(n for n in tar.getnames() if _FILE.search(n))
        held = tar.extractfile(name)
        assert held is not None
        return name, held.read()


def rows(archive: Path, country: str) -> Rows:
    """The units of a country in one release, as they stand there. A parent is given with the country in front."""
    name, content = _content(archive)
    found: Rows = []
    if name.endswith("json"):
        for one in json.loads(content)["3166-2"]:
            found.append([one["code"], one["name"], one["type"], one.get("parent") or ""])
    else:
        for of in ET.fromstring(content):
            for subset in of.iter("iso_3166_subset"):
                for one in subset.iter("iso_3166_2_entry"):
                    found.append([one.get("code", ""), one.get("name", ""), subset.get("type", ""), one.get("parent") or ""])
    mine = [row for row in found if row[0][:2] == country]
    return [[*row[:3], row[3] if not row[3] or row[3][:2] == country else f"{country}-{row[3]}"] for row in mine]


def main(folder: Path) -> None:
    archives = {m[1]: path for path in folder.iterdir() if (m := re.fullmatch(r"pycountry-([\d.]+)\.(?:tar\.gz|zip)", path.name))}
    cases = {
        name: {"country": country, "releases": [[version, rows(archives[version], country)] for version in versions]}
        for name, (country, *versions) in CASES.items()
    }
    text = json.dumps({"source": SOURCE, "rows": ["code", "name", "type", "parent"], "cases": cases}, ensure_ascii=False)
    FIXTURE.parent.mkdir(exist_ok=True)
    FIXTURE.write_text(text.replace("[[", "[\n[").replace("], [", "],\n[").replace("]]", "]\n]") + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
