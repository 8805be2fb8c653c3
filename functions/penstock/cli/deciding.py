"""`penstock decide`, and what follows from a decision: `promote`, `retry`, `readback`, `rollback`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from penstock.cli import output, rolling, waiting
from penstock.cli.answers import deciding as answers
from penstock.cli.app import App, as_option, pass_app, wait_option
from penstock.cli.command import DONE, FAILURE, FOUND, Command
from penstock.cli.lines import steps_of
from penstock.core import choices
from penstock.core.batch import DECIDED, Status
from penstock.core.decisions import person
from penstock.core.errors import InvalidInput, Refused
from penstock.core.plan import DEPENDENTS, Batch, Verdict
from penstock.core.reversal import Choice
from penstock.use_cases import effects, finish, listing, staging
from penstock.use_cases.context import Context, load_batch
from penstock.use_cases.decide import Said, parse_verdict
from penstock.use_cases.decide import decide as commit_decision
from penstock.use_cases.rollback import plan_rollback, preview
from penstock.use_cases.sweep import resume_promotion
from penstock.use_cases.sweep import retry as retry_batch
from penstock.web.summary import recommendation, sentence, status_words
from penstock.web.text import plural

PROMOTED = frozenset({Status.APPLIED, Status.PARTIALLY_APPLIED, Status.ROLLED_BACK})


def code_of(batch: Batch) -> int:
    if batch.status is Status.FAILED:
        return FAILURE
    return FOUND if batch.error or batch.status is Status.PARTIALLY_APPLIED else DONE


@click.command(cls=Command)
@click.argument("batch")
@click.argument("verdict", type=click.Choice(["approve", "reject"]))
@click.option(
    "--rule",
    "rules",
    multiple=True,
    metavar="RULE=WORD",
    help="approve (use source) or reject (keep production) all that a rule found.",
)
@click.option("--mass", "masses", multiple=True, metavar="FIELD=WORD", help="The same for a mass change of a field.")
@click.option("--change", "changes", multiple=True, metavar="KEY=WORD", help="The same for one change.")
@click.option(
    "--choice",
    "chosen",
    multiple=True,
    metavar="KEY=CHOICE",
    help="Of a unit that goes: cascade (what hangs below goes along) or reassign:ID (it moves to that unit). As KEY, `*`: each.",
)
@click.option("--note", default="", help="Why; it is kept with the decision.")
@click.option("--digest", metavar="DIGEST", help="Decide only if the batch still is what `show --json` gave this digest of.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_option
@wait_option
@pass_app
def decide(
    app: App, batch: str, verdict: str, rules: Sequence[str], masses: Sequence[str], changes: Sequence[str],
    chosen: Sequence[str], note: str, digest: str | None, yes: bool, by: str, wait: bool,
) -> int:  # fmt: skip
    """Approve or reject BATCH. A word for a change counts before a word for its rule, and that before the verdict; a blocker
    never passes without a word of its own."""
    ctx = app.contexts.of_batch(batch)
    seen = load_batch(ctx, batch).batch
    said = _said(seen, parse_verdict(verdict), rules, masses, changes, chosen, note)
    decision = said.by(by, ctx.ports.now(), digest or seen.digest)
    try:
        would = listing.foresee(ctx, seen, decision)
    except InvalidInput as error:
        raise _with_hint(error, seen, said) from None
    app.say(f"{seen.id}: {sentence(seen)}. {recommendation(seen)}")
    if seen.kind != "hold":
        app.say(f"As {by}: {plural(would['approve'], 'change')} approved, {would['reject']:,} kept as production has them.")
    if not yes:
        if app.json or not output.can_ask():
            raise click.UsageError("Nobody is there to be asked. Say --yes.")
        click.confirm("Decide so?", abort=True)
    decided, owed = commit_decision(ctx, batch, decision.digest, by, said)
    failures = effects.pay(ctx, owed)
    now = waiting.until_rested(app, ctx, batch) if wait else load_batch(ctx, batch).batch
    spoken = {person(d.by) for d in now.decisions if d.verdict == "approve"}
    missing = max(0, now.approvals - len(spoken)) if now.status is Status.UNDER_REVIEW else 0
    answer = answers.Decided(
        batch, now.status.value, verdict, decided.digest, by, now.approved, now.rejected, now.applied, now.drifted, missing,
        tuple(failures), steps_of(now) if not missing else (f"penstock show {batch}",),
    )  # fmt: skip

    def people() -> None:
        waits = f"; {missing} more must approve" if missing else ""
        output.say(f"{batch} is {now.status}{waits}: {_numbers(now)}.{' ' + now.error if now.error else ''}")
        for failure in failures:
            output.say(f"owed and not paid yet: {failure}")

    app.answer(answer, people)
    return max(code_of(now), FOUND if failures else DONE)


def _said(
    batch: Batch, verdict: Verdict, rules: Sequence[str], masses: Sequence[str], changes: Sequence[str], chosen: Sequence[str],
    note: str,
) -> Said:  # fmt: skip
    if verdict == "reject" and (rules or masses or changes or chosen):
        what = "`reject` refuses the whole batch. Leave --rule, --mass, --change and --choice out, or approve with them."
        raise click.UsageError(what)
    found = {"rule": set(batch.findings), "mass": {f.field for f in batch.batch_findings if f.field}}
    groups: dict[str, Verdict] = {}
    for kind, given in (("rule", rules), ("mass", masses)):
        for name, word in map(_word, given):
            if name not in found[kind]:
                known = ", ".join(sorted(found[kind])) or "none"
                raise InvalidInput(f"has no finding of --{kind} {name}", subject=batch.id, remedy=f"It has: {known}.")
            groups[f"{kind}:{name}"] = word
    return Said(verdict, groups, dict(map(_word, changes)), note, dict(map(_choice, chosen)))


def _word(text: str) -> tuple[str, Verdict]:
    name, equals, word = text.rpartition("=")
    if not equals or not name or word not in ("approve", "reject"):
        raise click.UsageError(f"`{text}` is not NAME=approve or NAME=reject.")
    return name, parse_verdict(word)


def _choice(text: str) -> tuple[str, str]:
    key, equals, choice = text.rpartition("=")
    if not equals or not key:
        raise click.UsageError(f"`{text}` is not KEY=cascade or KEY=reassign:ID.")
    return key, choices.parse(choice)


def _with_hint(error: InvalidInput, batch: Batch, said: Said) -> InvalidInput:
    """The same refusal, with the options that would give each blocker its word."""
    blocking = [rule for rule, by in batch.findings.items() if by.get("blocker") and not (rule == DEPENDENTS and said.choices)]
    options = [f"--rule {rule}=reject" for rule in blocking]
    options += [f"--mass {f.field}=approve" for f in batch.batch_findings if f.field and f.severity == "blocker"]
    missing = [o for o in options if o.split()[1].rpartition("=")[0] not in {g.partition(":")[2] for g in said.groups}]
    hint = f" For example: {' '.join(missing)}." if missing else ""
    return InvalidInput(error.what, subject=error.subject, remedy=error.remedy + hint)


def _numbers(batch: Batch) -> str:
    if batch.kind == "hold":
        return status_words(batch)
    if batch.finished_at:
        return f"{batch.applied:,} applied, {batch.rejected:,} rejected, {batch.drifted:,} drifted, {batch.verified:,} read back"
    return f"{batch.approved:,} approved, {batch.rejected:,} rejected"


def _moved(app: App, now: Batch, done: str, failures: Sequence[str] = ()) -> int:
    answer = answers.Moved(now.id, now.status.value, done, now.applied, now.drifted, tuple(failures), now.error, steps_of(now))

    def people() -> None:
        output.say(f"{now.id} is {now.status}: {done}.{' ' + now.error if now.error else ''}")
        for failure in failures:
            output.say(f"owed and not paid yet: {failure}")

    app.answer(answer, people)
    return max(code_of(now), FOUND if failures else DONE)


@click.command(cls=Command)
@click.argument("batch")
@wait_option
@pass_app
def promote(app: App, batch: str, wait: bool) -> int:
    """Go on with the promotion of an approved BATCH, wherever it stopped."""
    ctx = app.contexts.of_batch(batch)
    done = resume_promotion(ctx, load_batch(ctx, batch).batch)
    app.say(f"{batch}: {done}")
    now = waiting.until_rested(app, ctx, batch) if wait else load_batch(ctx, batch).batch
    return _moved(app, now, f"{done}; {_numbers(now)}")


@click.command(cls=Command)
@click.argument("batch")
@as_option
@wait_option
@pass_app
def retry(app: App, batch: str, by: str, wait: bool) -> int:
    """Go on with a BATCH that FAILED, after its cause was mended."""
    ctx = app.contexts.of_batch(batch)
    held = load_batch(ctx, batch).batch
    if held.status is not Status.FAILED:
        raise Refused(f"is {held.status}", subject=batch, remedy=f"Only a FAILED batch is retried. `penstock show {batch}`")
    done = retry_batch(ctx, batch, by)
    now = load_batch(ctx, batch).batch
    if wait:
        watch = waiting.until_rested if now.status in DECIDED else waiting.until_reviewed
        now = watch(app, ctx, batch)
    return _moved(app, now, done)


@click.command(cls=Command)
@click.argument("batch")
@click.option("--key", "keys", multiple=True, metavar="KEY", help="Only this change; as often as you like.")
@click.option("--field", "fields", multiple=True, metavar="FIELD", help="Only this field (`location.latitude`), or all below it.")
@click.option("--overwrite-edits", "overwrite", is_flag=True, help="Also what was edited since; kept otherwise.")
@click.option("--preview", "only_look", is_flag=True, help="Tell what would be done to each record, and propose nothing.")
@as_option
@wait_option
@pass_app
def rollback(
    app: App, batch: str, keys: tuple[str, ...], fields: tuple[str, ...], overwrite: bool, only_look: bool, by: str, wait: bool
) -> int:
    """Propose to take BATCH back, whole, by record or by field. Nothing changes before the rollback is approved like any batch.
    What was edited after the promotion is kept, unless you say otherwise here and an approver does too."""
    ctx = app.contexts.of_batch(batch)
    choice = Choice(frozenset(keys) if keys else None, tuple(tuple(field.split(".")) for field in fields), overwrite)
    if only_look:
        return rolling.show(app, batch, preview(ctx, batch, choice), choice)
    proposed, owed = plan_rollback(ctx, batch, by, choice)
    failures = effects.pay(ctx, owed)
    now = waiting.until_reviewed(app, ctx, proposed.id) if wait else load_batch(ctx, proposed.id).batch
    return _moved(app, now, f"it would take back {plural(now.total, 'change')} of {batch}", failures)


@click.command(cls=Command)
@click.argument("batch")
@click.option("--all", "everything", is_flag=True, help="Every record; a random share otherwise.")
@pass_app
def readback(app: App, batch: str, everything: bool) -> int:
    """Compare production with what BATCH promoted, byte for byte."""
    ctx = app.contexts.of_batch(batch)
    held = load_batch(ctx, batch).batch
    if held.status not in PROMOTED:
        raise Refused(f"is {held.status}", subject=batch, remedy="Only what was promoted can be read back.")
    read = _read_all(ctx, held) if everything else finish.sample(
        ctx, held, list(staging.packs_of(ctx, batch, payload=False)), held.applied
    )  # fmt: skip
    steps = (f"penstock show {batch} --change {read.mismatched[0]}",) if read.mismatched else (f"penstock show {batch}",)
    answer = answers.ReadBack(batch, read.verified, read.edited, read.mismatched, steps)

    def people() -> None:
        output.say(f"{batch}: {read.verified:,} equal, {read.edited:,} edited since, {len(read.mismatched):,} different")
        for key in read.mismatched:
            output.say(f"  {key}")

    app.answer(answer, people)
    return FOUND if read.mismatched else DONE


def _read_all(ctx: Context, batch: Batch) -> finish.ReadBack:
    verified, edited = 0, 0
    mismatched: list[str] = []
    with output.progress("Records read back", batch.applied) as advance:
        for pack in staging.packs_of(ctx, batch.id):
            part = finish.read_back(ctx, batch, pack)
            verified, edited = verified + part.verified, edited + part.edited
            mismatched += part.mismatched
            advance(verified + edited + len(mismatched))
    return finish.ReadBack(verified, tuple(mismatched), edited)


COMMANDS = (decide, promote, retry, rollback, readback)
