"""infra/ without its resources, so that what it makes of the pipelines can be evaluated anywhere."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
INFRA = ROOT / "infra"
REMEDY = (
    "Terraform is not on this machine, and what it reads from the pipelines is tested with it. Debian and Ubuntu with HashiCorp's"
    " package source: sudo apt-get install terraform. macOS: brew install terraform. Or put the one binary of a release on PATH."
)
VARIABLES = {
    "project": "demo-penstock",
    "projects": {"onemap": "demo-onemap", "fibreflow": "demo-fibreflow", "landlord": "demo-landlord", "tenants": "demo-tenants"},
    "tenant_databases": ["tenants/nepal"],
    "people": {"fibre_approvers": ["ann@example.com", "ben@example.com"], "geography_approvers": ["maya@example.com"]},
    "smtp": {"host": "smtp.example.com", "password_secret": "penstock-smtp", "from": "penstock@example.com"},
}


def blocks(kind: str) -> dict[str, str]:
    """The top-level blocks of a kind, by file and first line."""
    found = {}
    for path in sorted(INFRA.glob("*.tf")):
        for block in re.findall(rf"^{kind}\b[^\n]*\{{$.*?^\}}$", path.read_text(), re.MULTILINE | re.DOTALL):
            found[f"{path.name}: {block.splitlines()[0]} {len(found)}"] = block
    return found


ENVIRONMENT = {**os.environ, "CHECKPOINT_DISABLE": "1"}  # Terraform asks nobody for its newest version


class Infra:
    """infra/ without its resources, beside what it reads, so that Terraform evaluates it without any provider."""

    def __init__(self, terraform: str, folder: Path) -> None:
        self.terraform, self.folder = terraform, folder / "infra"
        self.folder.mkdir()
        (folder / "functions").symlink_to(ROOT / "functions")
        (folder / "firestore.indexes.json").symlink_to(ROOT / "firestore.indexes.json")
        text = "\n\n".join([*blocks("variable").values(), *blocks("locals").values()])
        (self.folder / "all.tf").write_text(text)

    def run(self, expression: str, variables: Mapping[str, Any] = VARIABLES) -> subprocess.CompletedProcess[str]:
        (self.folder / "terraform.tfvars.json").write_text(json.dumps(variables))
        command = [self.terraform, "console", "-no-color"]
        return subprocess.run(
            command, cwd=self.folder, env=ENVIRONMENT, input=expression, capture_output=True, text=True, timeout=120, check=False
        )

    def refusal(self, variables: dict[str, Any]) -> str:
        """What a plan says against these variables, in one line; "" if nothing."""
        (self.folder / "terraform.tfvars.json").write_text(json.dumps(variables))
        command = [self.terraform, "plan", "-no-color", "-input=false"]
        done = subprocess.run(command, cwd=self.folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
        return " ".join(done.stderr.replace("│", " ").split()) if done.returncode else ""

    def value(self, expression: str, variables: Mapping[str, Any] = VARIABLES) -> Any:
        done = self.run(f"jsonencode({expression})", variables)
        assert done.returncode == 0, done.stderr
        return json.loads(json.loads(done.stdout))
