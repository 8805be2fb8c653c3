"""Structured logs in Cloud Logging's format: one JSON object per line on standard output. Values of records are never logged."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any


def log(level: int, message: str, **fields: Any) -> None:
    """`fields` are ids and counts."""
    line = {"severity": logging.getLevelName(level), "message": message, **fields}
    print(json.dumps(line, default=str), file=sys.stdout, flush=True)
