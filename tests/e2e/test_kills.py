"""The promoting function dies at random moments, and the batch comes to its end all the same."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import networks
import pytest
from penstock.core.batch import DECIDED, Status
from penstock.core.values import loads
from penstock.use_cases import staging
from penstock.use_cases.context import load_batch
from penstock.use_cases.finish import read_back
from running import chain, eventually, production, running, unpaid

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(600)]
KILLS = int(os.environ.get("PENSTOCK_KILLS", "3"))
SEED = int(os.environ.get("PENSTOCK_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
STALE_SECONDS = 5  # instead of two minutes, so that the sweep need not be waited for


def test_a_promotion_that_is_killed_again_and_again_ends_with_nothing_lost_and_nothing_doubled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"PENSTOCK_SEED={SEED}")
    moments = random.Random(SEED)
    case = networks.fibre(600 + 120 * KILLS)
    with running(tmp_path, case, monkeypatch, PENSTOCK_STALE_SECONDS=str(STALE_SECONDS), THREADS="2") as here:
        (ctx,) = here.targets
        here.fill()
        here.tick(case.name)
        batch = here.batch(ctx)
        here.approve(ctx, batch)

        def left() -> int:
            return ctx.store.count(staging.in_state(batch.id, "CHECKED"))

        struck = []
        for n in range(KILLS):  # spread over the whole promotion, each at a random moment
            eventually(lambda n=n: left() <= batch.packs * (1 - n / KILLS), "progress", 120, every=0.02)
            time.sleep(moments.uniform(0, 0.2))
            here.stack.kill("promote")
            struck.append((str(load_batch(ctx, batch.id).batch.status), left()))
            here.stack.restart("promote")
        print(f"killed {KILLS} times; status and packs left at each: {struck}, of {batch.packs}")
        assert struck[0][0] in DECIDED
        assert struck[0][1] > 0

        def swept() -> bool:
            here.tick("sweep")
            time.sleep(2)
            return load_batch(ctx, batch.id).batch.status not in DECIDED and not unpaid(ctx)

        eventually(swept, "rest", 240)
        done = load_batch(ctx, batch.id).batch
        assert (done.status, done.error) == (Status.APPLIED, "")
        packs = list(staging.packs_of(ctx, batch.id))
        ledgers = [pack.ledger for pack in packs]
        assert sum(ledger.applied for ledger in ledgers if ledger) == done.applied == case.changes - case.rejected
        assert sum(len(ledger.rejected) for ledger in ledgers if ledger) == done.rejected == case.rejected
        backs = [read_back(ctx, done, pack) for pack in packs]
        assert (sum(b.verified for b in backs), sum(b.edited for b in backs)) == (done.applied, 0)

        now, outcome = production(ctx), case.outcome("fibreflow")
        assert now.keys() == outcome.keys()
        for path, expected in outcome.items():
            found = loads(now[path])
            assert {name: found.get(name) for name in expected} == expected

        steps = chain(ctx)
        assert len(steps) == len(set(steps))
        assert [step.partition(" ")[2] for step in steps][-2:] == ["APPROVED → APPLYING", "APPLYING → APPLIED"]
        assert len(here.mails(batch.id)) == 2  # by Message-ID: the invitation, and that it is done
