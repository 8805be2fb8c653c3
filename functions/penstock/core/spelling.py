"""One thing under several spellings of its key: `LAW.P.A001`, `law.p.a001`, `P.A001`; or of its name."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

MOST = 6
_RUN = re.compile(r"\d+|[^\W\d_]+")


def folded(key: str) -> str:
    """A key without case, spaces, punctuation and leading zeros. Digits that punctuation keeps apart stay apart:
    `A1.01` and `A10.1` are two things."""
    out = ""
    for run in _RUN.findall(key.casefold()):
        digits = run[0].isdigit()
        out += ("-" if digits and out and out[-1].isdigit() else "") + ((run.lstrip("0") or "0") if digits else run)
    return out


@lru_cache(16_384)
def folded_name(name: str) -> str:
    """A name without case, accents and punctuation: `Île-de-France` is `ile de france`. Marks of other scripts stay, for
    vowel signs tell names apart."""
    bare = (c for c in unicodedata.normalize("NFKD", name).casefold() if not "\u0300" <= c <= "\u036f")
    return " ".join("".join(c if unicodedata.category(c)[0] in "LMN" else " " for c in bare).split())


def variants(key: str, prefixes: Sequence[str] = ()) -> list[str]:
    """Exact spellings worth asking production for, likeliest first, at most six, never the key itself: capitals, without
    spaces, without one of `prefixes` or with it, small letters."""
    tidy = re.sub(r"\s+", "", key)
    upper = tidy.upper()
    carried = next((p for p in prefixes if upper.startswith(p.upper())), None)
    moved = [p + upper for p in prefixes] if carried is None else [upper[len(carried) :]]
    candidates = [upper, *moved, tidy, tidy.lower(), *(m.lower() for m in moved)]
    return [v for v in dict.fromkeys(candidates) if v and v != key and "/" not in v][:MOST]
