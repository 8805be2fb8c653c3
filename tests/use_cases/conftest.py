"""The helpers in `tests/support` are imported as `support`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
