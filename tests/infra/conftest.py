from __future__ import annotations

import re
import shutil
from typing import Any

import pytest
from terraform_locals import REMEDY, Infra, blocks


@pytest.fixture(scope="session")
def terraform() -> str:
    found = shutil.which("terraform")
    if found is None:
        pytest.fail(REMEDY, pytrace=False)
    return found


@pytest.fixture(scope="session")
def infra(terraform: str, tmp_path_factory: pytest.TempPathFactory) -> Infra:
    return Infra(terraform, tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def local(infra: Infra) -> dict[str, Any]:
    """Every local of infra/, evaluated."""
    names = [name for block in blocks("locals").values() for name in re.findall(r"^  (\w+) +=|^  (\w+) =", block, re.MULTILINE)]
    wanted = [one or other for one, other in names]
    evaluated: dict[str, Any] = infra.value("{" + ", ".join(f"{name} = local.{name}" for name in wanted) + "}")
    return evaluated
