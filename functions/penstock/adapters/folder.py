"""A folder as the `Blobs` port: for exports, and for a demo without a storage."""

from __future__ import annotations

import threading
from pathlib import Path

from penstock.core.errors import InvalidInput, NotFound


class FolderBlobs:
    """Object names are paths below the folder. Nothing is ever read or written outside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, name: str, content: bytes, content_type: str, *, replace: bool = False) -> bool:  # noqa: ARG002 - the port
        path = self._path(name)
        if path.exists() and not replace:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f"{path.suffix}.{threading.get_ident()}")
        part.write_bytes(content)
        part.replace(path)
        return True

    def read(self, name: str) -> bytes:
        try:
            return self._path(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound("there is no such object", subject=name, remedy=f"Look in {self.folder}.") from None

    def names(self, prefix: str) -> list[str]:
        below = self.folder / prefix.rpartition("/")[0]
        found = (path.relative_to(self.folder).as_posix() for path in below.rglob("*") if path.is_file())
        return sorted(name for name in found if name.startswith(prefix))

    def url(self, name: str) -> str:
        return self._path(name).resolve().as_uri()

    def _path(self, name: str) -> Path:
        path = self.folder / name
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise InvalidInput("leads out of the folder", subject=name[:200], remedy="Nothing was read or written.")
        return path
