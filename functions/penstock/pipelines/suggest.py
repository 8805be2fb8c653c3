"""`Did you mean …?`"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


def meant(word: Any, known: Iterable[str]) -> str:
    """A sentence that names the nearest known word, with a space before it; "" where none is near."""
    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f" Did you mean `{near[0]}`?" if near else ""
