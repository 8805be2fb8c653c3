"""The main job on the real emulators, from the scheduler's tick to the rollback, for two pipelines that share nothing."""

from __future__ import annotations

import csv
import io
import json
import re
import urllib.request
from pathlib import Path

import networks
import pytest
from networks import Case
from penstock.core.batch import Status
from penstock.core.values import loads
from penstock.local import approver
from penstock.use_cases import effects, staging
from penstock.use_cases.finish import read_back
from penstock.use_cases.rollback import plan_rollback
from running import chain, production, running

pytestmark = pytest.mark.emulator


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        content: bytes = answer.read()
    return content


@pytest.mark.parametrize("case", [networks.fibre(), networks.library()], ids=lambda case: case.name)
def test_a_run_goes_from_the_schedule_to_production_and_back_to_the_byte(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path, case, monkeypatch) as here:
        here.fill()
        before = {ctx.id: production(ctx) for ctx in here.targets}
        here.tick(case.name)
        applied = {}
        for ctx in here.targets:
            batch = here.batch(ctx)
            assert batch.total == case.changes > effects.INLINE
            assert production(ctx) == before[ctx.id]  # a review touches nothing
            here.approve(ctx, batch)
            done = here.rested(ctx, batch.id)
            assert (done.status, done.error) == (Status.APPLIED, "")
            assert (done.applied, done.rejected, done.drifted) == (case.changes - case.rejected, case.rejected, 0)
            applied[ctx.id] = done

        for ctx in here.targets:
            batch, outcome, now = applied[ctx.id], case.outcome(ctx.target.project), production(ctx)
            assert now.keys() == {ctx.target.prefix + path for path in outcome}
            for path, expected in outcome.items():
                found = loads(now[ctx.target.prefix + path])
                assert {name: found.get(name) for name in expected} == expected
            backs = [read_back(ctx, batch, pack) for pack in staging.packs_of(ctx, batch.id)]
            assert (sum(b.verified for b in backs), sum(b.edited for b in backs)) == (batch.applied, 0)
            assert not any(b.mismatched for b in backs)

            report = json.loads(fetch(batch.reports["post-sync.json"]))
            assert report["numbers"]["applied"] == batch.applied
            rows = list(csv.DictReader(io.StringIO(fetch(batch.reports["post-sync.csv"]).decode("utf-8-sig"))))
            assert sum(row["status"] == "APPLIED" for row in rows) == batch.applied
            assert f"{batch.applied:,}" in fetch(batch.reports["post-sync.html"]).decode()

            back, owed = plan_rollback(ctx, batch.id, "operator@penstock.example")
            assert effects.pay(ctx, owed) == []
            here.approve(ctx, here.batch(ctx, "rollback"))
            done = here.rested(ctx, back.id)
            assert (done.status, done.applied, done.drifted) == (Status.APPLIED, batch.applied, 0)
            assert here.rested(ctx, batch.id).status is Status.ROLLED_BACK
            assert production(ctx) == before[ctx.id]
            assert {"rollback.html", "rollback.csv", "rollback.json"} <= done.reports.keys()
            steps = chain(ctx)
            assert len(steps) == len(set(steps))

        tell_tales = [approver.link_and_code(mail) for mail in here.mails(f"{case.name}.") if "code" in mail["text"]]
        assert len(tell_tales) >= 2 * len(here.targets)
        logs = here.logs()
        for link, code in tell_tales:
            assert link.rpartition("/")[2] not in logs
            assert not re.search(rf"\b{code}\b", logs)
        assert not any(word in logs for word in ("Somebody Private", "not for the branches", "Long Street", "th Book"))
        assert "Traceback" not in logs
