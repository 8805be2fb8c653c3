"""The main job as production runs it, on this machine: the scheduler ticks, the capture function stages, Pub/Sub fans out the
checks, a mail arrives, its link is opened, the code typed, the batch promoted and reported. Nothing is called past the doors."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from penstock import wiring
from penstock.core.batch import Status
from penstock.core.codec import TargetState
from penstock.core.errors import PenstockError, Unavailable
from penstock.core.plan import Batch
from penstock.core.records import Query, Set
from penstock.core.values import Data
from penstock.local import approver, emulators, functions, scheduler, supervisor
from penstock.local.sample import Sample
from penstock.ports import Store
from penstock.use_cases import staging
from penstock.use_cases.context import Context, load_batch, load_target

T = TypeVar("T")
PIPELINE = "fibre_network"
RUN_SECONDS, CHECK_SECONDS, PROMOTE_SECONDS = 300.0, 300.0, 600.0
MOVED_ON = frozenset(Status) - {Status.CREATED, Status.STAGED, Status.CHECKING}
AT_REST = frozenset({Status.APPLIED, Status.PARTIALLY_APPLIED, Status.REJECTED, Status.FAILED, Status.SUPERSEDED, Status.EXPIRED})


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays."""

    ctx: Context
    mailbox: str
    tick: Callable[[], None]
    folder: Path


def main(*, yes: bool = False, memory: bool = False, folder: Path | None = None) -> int:
    """Run it; 0 when the batch came to rest as it should. Without `yes` the link waits for you. `memory`: without emulators,
    as it is also done where there are none."""
    console = Console(file=sys.stdout, highlight=False)
    folder = folder or supervisor.default_folder()
    try:
        if not memory:
            emulators.find_java()
            for kind in (emulators.FIRESTORE, emulators.PUBSUB):
                emulators.find_jar(kind)
    except PenstockError as missing:
        console.print(f"[yellow]{missing}[/]\nUntil then the demo runs on the memory store.")
        memory = True
    if memory:
        return _in_memory(console, yes, folder)
    return _play(console, _on_emulators(console, folder), yes)


def _on_emulators(console: Console, folder: Path) -> Stage:
    with _step(console, "Starting the emulators, storage, mailbox, scheduler and six functions"):
        state = supervisor.up(folder, functions.spec(folder))
    os.environ.update(state.env)
    ctx = wiring.contexts().of_pipeline(PIPELINE)[0]
    address = {service.name: service.address for service in state.services}
    return Stage(ctx, address["mailbox"], lambda: tick(address["scheduler"], ctx), folder)


def _in_memory(console: Console, yes: bool, folder: Path) -> int:
    from penstock.local.embedded import Embedded

    console.print("[yellow]On the memory store:[/] no emulator, one process, and nothing is left of it but mails and reports.")
    log = folder / "logs" / "memory.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w") as out, redirect_stdout(out):  # the functions log to standard output; the console keeps its own
        embedded = Embedded(folder / "memory")
        try:
            ctx = embedded.contexts.of_pipeline(PIPELINE)[0]
            stage = Stage(ctx, embedded.mailbox.url, lambda: embedded.tick(PIPELINE), folder)
            return _play(console, stage, yes) or (_play(console, stage, yes) if yes else 0)
        finally:
            embedded.stop()


def _play(console: Console, stage: Stage, yes: bool) -> int:
    ctx, folder = stage.ctx, stage.folder
    sample = load_sample(console, ctx)
    before = load_target(ctx).state
    with _step(console, f"The scheduler ticks: {ctx.pipeline.schedule} {ctx.pipeline.time_zone}, now"):
        stage.tick()
        after = wait(lambda: _ran(ctx, before), RUN_SECONDS, "the capture function", folder)
    if not after.last_run["batch"] and not after.open:
        console.print(f"[green]Nothing to do:[/] production agrees with the source since the last run. {_cost(after)}")
        return 0
    batch = reviewed(console, ctx, after.last_run["batch"] or after.open, folder)
    compare(console, sample, batch)
    mail = wait(lambda: next(iter(approver.mails(stage.mailbox, batch.id)), None), 60, "the mail", folder)
    link, code = approver.link_and_code(mail)
    console.print(
        f"\nMail to {mail['to']}: [bold]{mail['subject']}[/]\n  mailbox  {stage.mailbox}\n  link     {link}", soft_wrap=True
    )
    console.print(f"  code     {code}")
    if not yes:
        console.print("\nOpen the link in your browser, look, type the code and decide. [dim](Ctrl-C only stops waiting.)[/]")
    else:
        with _step(console, "The approver opens the link, keeps production for every blocker, types the code and approves"):
            approver.decide(link, code, "approve", note="scripts/demo --yes")
    batch = promoted(console, ctx, batch.id, folder, patience=PROMOTE_SECONDS if yes else 86_400.0)
    reports(console, batch)
    return 0 if batch.status in {Status.APPLIED, Status.REJECTED} else 1


def load_sample(console: Console, ctx: Context) -> Sample:
    """The made-up network, unless it is there already."""
    sample, source = Sample(), next(iter(ctx.pipeline.sources.values()))
    store = ctx.source_store(source)
    if store.count(Query(source.collection)):
        console.print("The sample data is there from before.")
        return sample
    poles, drops = (ctx.collection(ctx.pipeline.entity(name)) for name in ("poles", "drops"))
    fill(console, f"{source.collection} (source)", store, source.collection, sample.records(), 24_000)
    fill(console, f"{poles} (production)", ctx.store, poles, sample.poles(), 5_287)
    fill(console, f"{drops} (production)", ctx.store, drops, sample.drops(), None)
    return sample


def fill(
    console: Console, name: str, store: Store, collection: str, documents: Iterable[tuple[str, Data]], total: int | None
) -> int:
    """Write documents to a collection, some hundred at a time, with a bar; gives how many."""
    done, some = 0, []
    with bar(console) as progress:
        task = progress.add_task(f"Loading {name}", total=total)
        for id, data in documents:
            some.append(Set(f"{collection}/{id}", data))
            if len(some) == 400:
                store.commit(some)
                done += len(some)
                progress.update(task, completed=done)
                some = []
        if some:
            store.commit(some)
        progress.update(task, completed=done + len(some), total=done + len(some))
    return done + len(some)


def tick(address: str, ctx: Context) -> None:
    """What Cloud Scheduler does at 02:00: the same job, run now through the same API."""
    client = scheduler.client(address)
    client.run_job(name=f"projects/{functions.PROJECT}/locations/europe-west1/jobs/{ctx.pipeline.name}")
    client.transport.close()  # type: ignore[no-untyped-call]


def _ran(ctx: Context, before: TargetState) -> TargetState | None:
    now = load_target(ctx).state
    return now if now.lease is None and now.last_run != before.last_run else None


def reviewed(console: Console, ctx: Context, batch: str, folder: Path) -> Batch:
    """Wait until every pack is checked and the review is open."""
    total = load_batch(ctx, batch).batch.packs
    with bar(console) as progress:
        task = progress.add_task("Checking packs, each by a message of its own", total=total)

        def opened() -> Batch | None:
            progress.update(task, completed=total - ctx.store.count(staging.in_state(batch, "STAGED")))
            now = load_batch(ctx, batch).batch
            return now if now.status in MOVED_ON else None

        return wait(opened, CHECK_SECONDS, "the checks", folder)


def compare(console: Console, sample: Sample, batch: Batch) -> None:
    """Planted conflicts against those found, by rule."""
    table = Table("conflict", "planted", "found", title=f"{batch.id}: {batch.total} changes under review")
    found = {rule: sum(of.values()) for rule, of in batch.findings.items()}
    for rule in sorted(sample.planted.keys() | found.keys()):
        planted, seen = sample.planted.get(rule, 0), found.get(rule, 0)
        table.add_row(rule, str(planted), str(seen) if planted == seen else f"[red]{seen}[/]")
    agree = found == dict(sample.planted)
    console.print(table)
    sums = f"{sum(sample.planted.values())} planted conflicts, {sum(found.values())} found"
    console.print(f"[green]{sums}: all of them, and no other.[/]" if agree else f"[yellow]{sums}.[/]")


def promoted(console: Console, ctx: Context, batch: str, folder: Path, patience: float) -> Batch:
    """Wait until the batch is at rest, and its report is written."""
    with bar(console) as progress:
        task = progress.add_task("Promoting", total=None)

        def rested() -> Batch | None:
            now = load_batch(ctx, batch).batch
            if now.status in {Status.APPROVED, Status.APPLYING}:
                left = ctx.store.count(staging.in_state(batch, "CHECKED"))
                progress.update(task, description="Promoting packs", total=now.packs, completed=now.packs - left)
            reported = now.status not in {Status.APPLIED, Status.PARTIALLY_APPLIED} or "post-sync.html" in now.reports
            return now if now.status in AT_REST and reported else None

        return wait(rested, patience, "the promotion", folder)


def reports(console: Console, batch: Batch) -> None:
    style = "green" if batch.status is Status.APPLIED else "yellow"
    numbers = f"{batch.applied} applied, {batch.rejected} kept as they were, {batch.drifted} drifted, {batch.verified} read back"
    console.print(f"\n[{style} bold]{batch.status}[/] {batch.id}: {numbers}")
    for name, url in sorted(batch.reports.items()):
        console.print(f"  {name:16} {url}", soft_wrap=True)
    console.print(f"\nNext: penstock show {batch.id} · penstock rollback {batch.id} · penstock local down")


def wait(look: Callable[[], T | None], seconds: float, for_what: str, folder: Path) -> T:
    """What `look` gives, as soon as it gives something."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        if time.monotonic() > deadline:
            logs = folder / "logs"
            raise Unavailable(f"gave nothing within {seconds:.0f} seconds", subject=for_what, remedy=f"The logs are in {logs}.")
        time.sleep(0.2)
    return found


def _cost(state: TargetState) -> str:
    return f"(target {state.id}, read at {state.last_run['at']})"


def bar(console: Console) -> Progress:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=console)


@contextmanager
def _step(console: Console, what: str) -> Iterator[None]:
    started = time.monotonic()
    if console.is_terminal:
        with console.status(what):
            yield
    else:
        yield
    console.print(f"{what}  [dim]{time.monotonic() - started:.1f} s[/]")


def entry(arguments: list[str]) -> int:
    """`python -m penstock.local.demo [--yes] [--memory]`"""
    if strange := set(arguments) - {"--yes", "--memory"}:
        Console(stderr=True).print(f"Unknown: {' '.join(sorted(strange))}. Usage: scripts/demo [--yes] [--memory]")
        return 2
    try:
        return main(yes="--yes" in arguments, memory="--memory" in arguments)
    except PenstockError as error:
        Console(stderr=True).print(f"[red]{error}[/]")
        return 3
    except KeyboardInterrupt:
        Console(stderr=True).print("\nStopped waiting. The stack still runs: penstock status, penstock local down.")
        return 0


if __name__ == "__main__":
    raise SystemExit(entry(sys.argv[1:]))
