"""A decision: who may take it, the code that a mail scanner cannot type, and the one commit that makes it count."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from penstock.core import decisions, layout, tokens
from penstock.core.batch import Status
from penstock.core.bill import refusing
from penstock.core.codec import Recheck, to_data
from penstock.core.cost import Cost
from penstock.core.decisions import Subject, admit, outcome, person
from penstock.core.errors import Conflict, InvalidInput, OutcomeUnknown, Refused
from penstock.core.harmless import by_policy
from penstock.core.packs import digest_of
from penstock.core.plan import Batch, Decision, Verdict
from penstock.core.records import EXISTS, Set, Snapshot, Update, Write, unchanged_since
from penstock.core.tokens import Grant
from penstock.core.values import Data, Timestamp, dumps
from penstock.use_cases import outbox, staging
from penstock.use_cases.choosing import complete
from penstock.use_cases.context import Context, Held, HeldTarget, LostRace, Move, advance, load_batch, load_target
from penstock.use_cases.metering import Metering
from penstock.use_cases.opening import harmless, invite
from penstock.use_cases.staging import Pack

TRIES_AT_ONCE = 3
MAX_NOTE = 2_000
USED = (("state",), ("used_at",))


@dataclass(frozen=True, slots=True)
class Said:
    """What a person fills in."""

    verdict: Verdict
    groups: Mapping[str, Verdict] = field(default_factory=dict)
    changes: Mapping[str, Verdict] = field(default_factory=dict)
    note: str = ""
    choices: Mapping[str, str] = field(default_factory=dict)

    def by(self, who: str, at: Timestamp, digest: str) -> Decision:
        """The same as the decision of one person on what had this digest."""
        return Decision(who, at, digest, self.verdict, self.groups, self.changes, self.note, self.choices)


@dataclass(frozen=True, slots=True)
class Link:
    """An approval link that exists. `grant` is what it is bound to."""

    snapshot: Snapshot
    grant: Grant
    key_id: str

    @property
    def recipient(self) -> str:
        return self.grant.recipient


def find_link(ctx: Context, token: str) -> Link:
    """The link of a token; `Refused` for any that was never given out, whatever is wrong with it."""
    unknown = Refused("is not known", subject="This link", remedy="Open the newest mail about this batch and use its link.")
    if len(token) > tokens.MAX_TOKEN or not token.isascii():
        raise unknown
    found = ctx.store.get([layout.token(tokens.hash_of(token))])[0]
    data = found.fields
    if not found.exists:
        raise unknown
    grant = tokens.grant_of(data)
    if grant.target != ctx.id or not tokens.is_made_for(ctx.ports.keys, data["key_id"], grant, token):
        raise unknown
    until = ctx.ports.keys_until.get(data["key_id"])
    if until is not None and until <= ctx.ports.now():
        remedy = "Use the link of a newer mail. If there is none, the next run sends one."
        raise Refused(f"was signed with a key that was retired at {until}", subject="This link", remedy=remedy)
    return Link(found, grant, data["key_id"])


def decide_by_link(ctx: Context, token: str, code: str, said: Said) -> tuple[Batch, tuple[Set, ...]]:
    """Decide with a mailed link and the code beside it. Gives the batch as it then stands, and what is owed."""
    for _ in range(TRIES_AT_ONCE):
        metering = Metering()
        link = find_link(ctx, token)
        held = load_batch(ctx, link.grant.batch)
        decision = replace(said, note=said.note[:MAX_NOTE]).by(link.recipient, ctx.ports.now(), link.grant.digest)
        _admit_link(ctx, link, held, decision)
        if not tokens.could_be_code(code):
            raise InvalidInput(
                f"is not {tokens.CODE_LENGTH} letters and digits as in the mail",
                subject="The code",
                remedy="Nothing was decided. Type the code that stands beside the link.",
            )
        right = tokens.same_code(code, tokens.code(ctx.ports.keys, link.key_id, link.grant))
        try:
            if not right:
                raise _wrong_code(ctx, link, held.batch)
            _take_turn(ctx, link)
        except (Conflict, OutcomeUnknown):
            continue  # another try of this link was counted meanwhile: whether this code is right is not told for nothing
        used = Update(link.snapshot.path, {"state": "used", "used_at": ctx.ports.now()}, USED, EXISTS)
        return _decide(ctx, metering, held, decision, [used])
    raise WrongCode("The code was not checked, because other tries went on at the same time.", "Type it again.", ())


def _take_turn(ctx: Context, link: Link) -> None:
    """Every answer about a code takes a write of the link as it was read, whether the code is right or wrong. Else codes that are
    sent at the same time would be answered all, and only one of them counted."""
    as_read = unchanged_since(_written(link))
    ctx.store.commit([Update(link.snapshot.path, {"checked_at": ctx.ports.now()}, (("checked_at",),), as_read)])


def _written(link: Link) -> Timestamp:
    assert link.snapshot.update_time is not None
    return link.snapshot.update_time


def decide(ctx: Context, batch: str, digest: str, by: str, said: Said) -> tuple[Batch, tuple[Set, ...]]:
    """Decide as a person whose identity the caller has proved: the CLI's operator. `digest` is that of what they were shown."""
    metering = Metering()
    held = load_batch(ctx, batch)
    decision = said.by(by, ctx.ports.now(), digest)
    admit(held.batch, decision, ctx.approvers)
    return _decide(ctx, metering, held, decision, [])


def decide_unasked(ctx: Context, batch: str) -> tuple[Set, ...]:
    """Approve a batch of harmless changes alone; gives what is owed. One that somebody decided meanwhile, or that a newer one
    took the place of, is left as it is; one that its gate does not let pass any more expires, for nobody was asked about it."""
    metering = Metering()
    held, now = load_batch(ctx, batch), ctx.ports.now()
    found = held.batch
    if found.status is not Status.UNDER_REVIEW or not found.harmless or (found.expires_at and found.expires_at <= now):
        return ()
    packs = list(staging.packs_of(ctx, batch))
    if harmless(ctx, found, packs) != found.harmless:
        expire(ctx, held, load_target(ctx))
        return ()
    try:
        return _decide(ctx, metering, held, by_policy(found.harmless, now, found.digest), [], packs)[1]
    except Refused:
        if load_batch(ctx, batch).batch.status is Status.UNDER_REVIEW:
            raise
        return ()


def expire(ctx: Context, held: Held, target: HeldTarget) -> None:
    """End a review that nobody decided; the next run proposes the same again."""
    again = (Recheck(held.batch.id),) if held.batch.kind in ("sync", "followup") else ()
    fields: Data = {"open": "", "recheck": (*target.state.recheck, *again)}
    if held.batch.kind == "hold":
        fields["hold"] = None  # the next run asks again
    advance(ctx, Move(held, Status.EXPIRED, "engine"), target=target, target_fields=fields)


def _admit_link(ctx: Context, link: Link, held: Held, decision: Decision) -> None:
    admit(held.batch, decision, ctx.approvers)  # the digest of the link among it: the decision has it from there
    if link.grant.purpose != tokens.DECIDE:
        raise Refused("is not one for deciding", subject="This link", remedy="Open the newest mail and use its link.")
    if link.grant.expires_at <= ctx.ports.now():
        raise Refused(f"expired at {link.grant.expires_at}", subject="This link", remedy="The next run sends a new one.")
    if link.snapshot.fields["state"] != "open":
        raise Refused(
            f"is {link.snapshot.fields['state']}", subject="This link", remedy="Use the link of the newest mail about this batch."
        )


def _wrong_code(ctx: Context, link: Link, batch: Batch) -> Refused:
    """Count a wrong code; raises what the store does when it could not be. The last try locks the link, and a new one is mailed
    in the same commit."""
    tries = link.snapshot.fields["tries"] + 1
    locked = tries >= tokens.MAX_TRIES
    state = "locked" if locked else "open"
    as_read = unchanged_since(_written(link))
    writes: list[Write] = [Update(link.snapshot.path, {"tries": tries, "state": state}, (("tries",), ("state",)), as_read)]
    owed: tuple[Set, ...] = ()
    if locked:
        token, mail = invite(ctx, batch, link.recipient, link.grant.serial + 1, "[]")
        writes += [token, mail]
        owed = (mail,)
    ctx.store.commit(writes)
    if locked:
        return WrongCode("The code was wrong five times, and this link is locked.", "A new mail with a new link was sent.", owed)
    return WrongCode(
        "The code is not the one in the mail.",
        f"Type the six characters beside the link; {tokens.MAX_TRIES - tries} tries left.",
        (),
    )


class WrongCode(Refused):
    """Nothing was decided. `owed` is the mail with a new link, when this one was locked."""

    def __init__(self, what: str, remedy: str, owed: tuple[Set, ...]) -> None:
        super().__init__(what, remedy=remedy)
        self.owed = owed


def _decide(
    ctx: Context, metering: Metering, held: Held, decision: Decision, writes: list[Write], packs: Iterable[Pack] | None = None
) -> tuple[Batch, tuple[Set, ...]]:
    """`packs`: of the batch, where they were read already."""
    batch = held.batch
    staging.demand_shown(batch)
    subjects = _subjects(ctx, batch, staging.packs_of(ctx, batch.id) if packs is None else packs)
    decision = complete(ctx, batch, subjects, decision)
    decided = replace(batch, decisions=(*batch.decisions, decision))
    if batch.kind == "hold":
        return _decide_hold(ctx, metering, held, decided, writes)
    verdicts = [outcome(s, decided.decisions, pack.carried, batch.approvals) for s, pack in subjects]
    approved, refused = verdicts.count("approve"), verdicts.count("reject")
    fields = {"decisions": decided.decisions, "approved": approved, "rejected": refused}
    detail = {"digest": batch.digest, "verdict": decision.verdict, "approved": approved, "rejected": refused}
    detail["decision"] = digest_of(dumps(to_data(decision)))
    if None in verdicts:
        return _commit(ctx, metering, Move(held, Status.UNDER_REVIEW, decision.by, fields, detail), writes, ())
    fields["decided_at"] = decision.at
    if not approved:
        owed = outbox.owe(ctx, batch.id, "remember"), outbox.owe(ctx, batch.id, "archive", since=held.head.sequence)
        return _commit(ctx, metering, Move(held, Status.REJECTED, decision.by, fields, detail), writes, owed, {"open": ""})
    promote = outbox.owe(ctx, batch.id, "promote")
    step = Move(held, Status.APPROVED, decision.by, fields, detail)
    return _commit(ctx, metering, step, writes, (promote,), {"open": "", "applying": batch.id})


def _decide_hold(
    ctx: Context, metering: Metering, held: Held, decided: Batch, writes: list[Write]
) -> tuple[Batch, tuple[Set, ...]]:
    """What was seen of the source passes, or it holds every run until it changes. There are no changes to speak of."""
    last, standing = decided.decisions[-1], load_target(ctx).state.hold
    if standing is None:
        raise Refused("is over: a run found nothing to hold any more", subject=decided.id, remedy="Your decision was not needed.")
    fields: dict[str, Any] = {"decisions": decided.decisions}
    detail = {"digest": decided.digest, "verdict": last.verdict, "decision": digest_of(dumps(to_data(last)))}
    if last.verdict == "approve" and len({person(d.by) for d in decided.decisions}) < decided.approvals:
        return _commit(ctx, metering, Move(held, Status.UNDER_REVIEW, last.by, fields, detail), writes, ())
    fields["decided_at"] = last.at
    target_fields: Data = {"open": "", "hold": replace(standing, verdict=last.verdict)}
    if last.verdict == "reject":
        return _commit(ctx, metering, Move(held, Status.REJECTED, last.by, fields, detail), writes, (), target_fields)
    proceed = outbox.owe(ctx, decided.id, "proceed", mode=standing.mode)
    return _commit(ctx, metering, Move(held, Status.APPROVED, last.by, fields, detail), writes, (proceed,), target_fields)


def _subjects(ctx: Context, batch: Batch, packs: Iterable[Pack]) -> list[tuple[Subject, Pack]]:
    found = []
    for pack in packs:
        findings = staging.findings_by_key(pack, batch.batch_findings)
        found += [(staging.subject(change, findings, ctx.pipeline), pack) for change in pack.changes]
    return found


def _commit(
    ctx: Context, metering: Metering, step: Move, writes: list[Write], owed: tuple[Set, ...], target_fields: Data | None = None
) -> tuple[Batch, tuple[Set, ...]]:
    for _ in range(3):
        target = load_target(ctx) if target_fields else None
        before = step.held.batch.costs
        spent = metering.spent + Cost(writes=2 + len(writes) + len(owed) + (target is not None))
        spent += refusing(step.held.batch.packs) if step.to is Status.REJECTED and owed else Cost()
        costs = {**before, "decide": before.get("decide", Cost()) + spent}
        step = replace(step, fields={**step.fields, "costs": costs})
        try:
            (held, *_) = advance(ctx, step, writes=[*writes, *owed], target=target, target_fields=dict(target_fields or {}))
        except LostRace as lost:
            now = load_batch(ctx, step.held.batch.id).batch
            by = ", ".join(decisions.person(d.by) for d in now.decisions) or "another run"
            if now.status is Status.UNDER_REVIEW:
                what = f"was decided on at the same moment by {by}, and your word was not taken"
                raise Refused(what, subject=now.id, remedy="Load the page again, look at it, and decide.") from lost
            raise Refused(f"is {now.status} already, by {by}", subject=now.id, remedy="Your decision was not needed.") from lost
        except Conflict:
            continue  # the target's document was written meanwhile, or the link was used: look again
        return held.batch, owed
    raise Refused(
        "was not decided: the link was used at the same time", subject=step.held.batch.id, remedy="Load the page again."
    )


def parse_verdict(text: str) -> Verdict:
    if text == "approve":
        return "approve"
    if text == "reject":
        return "reject"
    raise InvalidInput(
        f"is neither approve nor reject: {text[:40]!r}", subject="verdict", remedy="Nothing was decided. Choose one."
    )
