from __future__ import annotations

from collections.abc import Iterator

import pytest
from attacks.lab import Lab


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab() as made:
        yield made
