"""A bug for each law: one guard taken out, in a test alone. If no judge sees it, the judge is blind.

`scenario` is played without faults and then with each fault of `mode` on calls that hold `what`, until a law speaks up."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from penstock.adapters import confined
from penstock.core import certificate, followers, packs
from penstock.core.records import Snapshot
from penstock.use_cases import (
    context,
    decide,
    effects,
    finish,
    following,
    leaving,
    looking,
    opening,
    outbox,
    promote,
    proposing,
    putting_back,
    releases,
    returning,
    rollback,
    staging,
    sweep,
    topics,
)
from support.faults import Fault, Mode

from simulation.acts import approve, once
from simulation.dioceses import Dioceses, run_all
from simulation.journal import images
from simulation.play import boundaries, calm, play
from simulation.scenarios import REVIEWED, SCENARIOS, Scenario
from simulation.simulation import Broken, Simulation
from simulation.woods import BOTH, tell


@dataclass(frozen=True)
class Bug:
    law: str  # that must catch it
    scenario: str | Scenario
    patches: tuple[tuple[Any, str, Any], ...]
    mode: Mode | None = None
    what: str = ""


def _everything_approved(batch: Any, pack: Any) -> Any:
    approved, refused = _resolve(batch, pack)
    return approved + refused, []


def _without_precondition(change: Any, stamp: Any) -> Any:
    return replace(_write_of(change, stamp), precondition=None)


def _stripped(pack: Any) -> Any:
    fields = {name: value for name, value in pack.fields.items() if name != "ledger"}
    return staging.Pack(Snapshot(pack.snapshot.path, fields, pack.snapshot.update_time))


def _without_ledger(ctx: Any, batch: Any, pack: Any, *more: Any) -> Any:
    return _promote(ctx, batch, _stripped(pack), *more)


class _Blind:
    """The staging module, without the ledgers of the packs that it loads."""

    def __getattr__(self, name: str) -> Any:
        return getattr(staging, name)

    def load_pack(self, *given: Any) -> Any:
        return _stripped(staging.load_pack(*given))


def _backed_up_late(ctx: Any, batch: Any, pack: Any, *rest: Any) -> Any:
    ledger = _commit(ctx, batch, pack, *rest)
    _back_up(ctx, batch, pack)
    return ledger


def _as_if_untouched(batch: Any, change: Any, stamp: Any, entity: Any, now: Any, choice: Any) -> Any:
    found = _reverse(batch, change, stamp, entity, now, replace(choice, overwrite=True))
    facts = {name: said for name, said in found.change.facts.items() if name != "later"}
    return replace(found, change=found.change._replace(facts=facts), later="")


def _first_pack_only(ctx: Any, batch: Any, draft: Any, voices: Any) -> None:
    if draft.number == 0:
        _stage(ctx, batch, draft, voices)


def _not_closed(_: Any, pack: Any) -> Any:
    return pack.ledger or packs.Ledger(pack.snapshot.update_time, "", 0, (), ())


def _told_before(ctx: Any, *steps: Any, **given: Any) -> Any:
    topics.send_packs(ctx, topics.CHECK, steps[0].held.batch.id, [0])
    return _advance(ctx, *steps, **given)


def _no_entry(*given: Any) -> Any:
    commit, heads = _compose(*given)
    return [write for write in commit if not write.path.startswith("penstock_audit/")], heads


def _another_id(ctx: Any, fact: str, data: Any) -> None:
    _mail_review(ctx, f"{fact}-{ctx.ports.new_id()}", data)


def _altered(sim: Simulation) -> None:
    """Somebody swaps what would be written by two packs."""
    (one, a), (other, b), *_ = images(sim.database, "penstock_staging").items()
    sim.edit(one, ready=b.fields["ready"])
    sim.edit(other, ready=a.fields["ready"])


_resolve, _write_of, _promote, _commit, _back_up = (
    promote.resolve, promote.write_of, promote._promote, promote._commit, promote._back_up,
)  # fmt: skip
_following, _place, _write_along = following.following, following.place, followers.Followed.write
_reverse, _stage, _advance = rollback.reverse, staging.stage, proposing.advance
_compose, _mail_review = context._compose, effects.mail_review
_WRONGLY_GONE = Scenario((*BOTH, tell("d1", active=False)), (run_all(),), world=Dioceses)
_ALTERED = Scenario((*REVIEWED, once(_altered)), (approve(),))


def _all_but_one(*given: Any) -> Any:
    return _following(*given)[1:]


def _followers_apart(ctx: Any, batch: Any, pack: Any, placed: Any, *rest: Any) -> Any:
    ledger = _commit(ctx, batch, pack, replace(placed, followed=()), *rest)
    if placed.followed:
        ctx.store.commit([followed.write() for followed in placed.followed])
    return ledger


def _as_planned(tree: Any, changes: Any, live: Any) -> Any:
    """Takes what a unit is to hang under to be where it was when that was planned."""
    above = {f"{c.path.rpartition('/')[0]}/{c.place.parent}": c.place.above for c in changes if c.place and c.place.parent}
    old = {
        p: Snapshot(p, {**s.fields, "path": above[p]}, s.update_time) if p in above and s.exists else s for p, s in live.items()
    }
    return _place(tree, changes, old)


def _nothing_left(entity: Any, goers: Any, *_: Any) -> Any:
    return {goer.key: leaving.Left() for goer in goers}


def _unguarded(followed: Any) -> Any:
    return replace(_write_along(followed), precondition=None)


def nothing(*_: Any, **__: Any) -> None:
    return None


def no_lines(*_: Any) -> list[str]:
    return []


def _as_if_joined(_: Any, __: Any, ___: Any, removed: Any) -> Any:
    return {document: {"units": 1} for document in removed}


BUGS: Mapping[str, Bug] = {
    "a refused change is promoted": Bug("approval", "partial approval", ((promote, "resolve", _everything_approved),)),
    "a pack is not verified": Bug("approval", _ALTERED, ((promote, "verify", nothing),)),
    "a batch that was given up can still be promoted": Bug(
        "approval", "promotion given up behind a sleeper", ((finish, "_closed", _not_closed),), "late zombie", "commit pipes"
    ),
    "a write has no precondition": Bug("drift", "drift", ((promote, "write_of", _without_precondition),)),
    "there is no backup": Bug("prior image", "approve, promote, finish", ((promote, "_back_up", nothing),)),
    "the backup comes after": Bug(
        "prior image", "approve, promote, finish", ((promote, "_back_up", nothing), (promote, "_commit", _backed_up_late))
    ),
    "a later edit is not seen": Bug("rollback", "rollback after edits, kept", ((rollback, "reverse", _as_if_untouched),)),
    "a ledger is not looked at": Bug(
        "nothing lost or doubled",
        "big batch",
        ((promote, "_promote", _without_ledger), (promote, "staging", _Blind())),
        "killed after",
        "commit pipes",
    ),
    "the watermark passes what is not staged": Bug("watermark", "first sync", ((staging, "stage", _first_pack_only),)),
    "the overlap is not looked at": Bug("watermark", "late commit", ((looking, "overlap_start", lambda _, mark, __: mark),)),
    "what was not read is taken for gone": Bug(
        "absence", "gone records", ((certificate.Certificate, "proves_absence", True),), "cut", "registry"
    ),
    "a decision has no precondition": Bug(
        "one decision",
        "two rivals",
        (
            (context, "unchanged_since", nothing),
            (decide, "unchanged_since", nothing),
            (context, "ABSENT", None),
            (outbox, "ABSENT", None),
            (confined.Grant, "demand", nothing),  # no entry point is granted a write without one
        ),
        "late zombie",
        "penstock_tokens",
    ),
    "the policy approves what people are to be asked about": Bug(
        "one decision", "new records, unasked, and others then", ((opening, "classes_of", lambda *_: ("new_pipes",)),)
    ),
    "an unmapped field is asked for": Bug(
        "allowed fields", "incremental", ((looking, "allowed_fields", lambda *_: {("owner",)}),)
    ),
    "a step leaves no entry": Bug("audit", "approve, promote, finish", ((context, "_compose", _no_entry),)),
    "messages go out before the commit": Bug("effects", "first sync", ((proposing, "advance", _told_before),)),
    "a repeated mail is another mail": Bug(
        "effects", "first sync", ((effects, "EFFECTS", {**effects.EFFECTS, "review": _another_id}),), "killed after", "send"
    ),
    "one that should follow does not": Bug("hierarchy", "move", ((following, "following", _all_but_one),)),
    "what follows is written by itself": Bug("hierarchy", "move", ((promote, "_commit", _followers_apart),)),
    "a unit is put where it was planned to lie": Bug(
        "hierarchy", "its new parent moved by hand", ((following, "place", _as_planned),)
    ),
    "what follows has no precondition": Bug(
        "follow", "move", ((followers.Followed, "write", _unguarded), (confined.Grant, "demand", nothing))
    ),
    "what follows has no prior image": Bug("prior image", "move", ((promote, "keep", nothing),)),
    "what was chosen is not done": Bug("choice", "gone, all along", ((leaving, "leave", _nothing_left),)),
    "what was decided below one that goes is decided anew": Bug(
        "follow", "rollback of a rollback of what went below one that went", ((leaving, "_went_before", no_lines),)
    ),
    "what was left behind does not return": Bug(
        "rollback", "rollback of what moved to another", ((returning, "_left_by", no_lines),)
    ),
    "nobody puts back what somebody came to": Bug(
        "hierarchy", "rollback of a new unit, joined as it was removed", ((finish, "put_back", nothing),)
    ),
    "a unit is put back that nobody came to": Bug(
        "approval", "rollback of the first mirror", ((putting_back, "_joined", _as_if_joined),)
    ),
    "a unit is removed whatever hangs under it": Bug(
        "hierarchy", "rollback of what was created and moved on, joined since", ((following, "attached", lambda *_: {}),)
    ),
    "nobody looks for who comes late": Bug("hierarchy", "joined while it was promoted", ((finish, "fetch_stragglers", nothing),)),
    "who gives up owes nothing to who came late": Bug(
        "hierarchy",
        "joined while it was promoted, and that was given up",
        ((effects, "EFFECTS", {**effects.EFFECTS, "latecomers": nothing}),),
    ),
    "a wrong release is dealt": Bug(
        "quarantine", "a wrong release, and it is mended", ((releases._Refresh, "_faults", lambda *_: ()),)
    ),
    "a wrong release is dealt, and what it says of a unit is that it goes": Bug(
        "quarantine", _WRONGLY_GONE, ((releases._Refresh, "_faults", lambda *_: ()),)
    ),
    "nobody pays what is owed": Bug("rest", "first sync", ((sweep, "_pay_due", no_lines),), "killed before", "publish"),
    "nobody resumes a run that died": Bug(
        "rest", "first sync", ((sweep, "_resume_capture", no_lines),), "killed after", "commit"
    ),
}


@contextmanager
def planted(bug: Bug) -> Iterator[None]:
    with ExitStack() as stack:
        for module, name, instead in bug.patches:
            stack.enter_context(mock.patch.object(module, name, instead))
        yield


def caught(bug: Bug) -> str:
    """What the judges say of a bug; "" where none of them sees it."""
    scenario = SCENARIOS[bug.scenario] if isinstance(bug.scenario, str) else bug.scenario
    tries: list[tuple[Fault, ...]] = [()]
    if bug.mode is not None and isinstance(bug.scenario, str):
        calm(bug.scenario)
        tries += [(fault,) for fault, what in boundaries(bug.scenario) if fault.mode == bug.mode and bug.what in what]
    with planted(bug):
        for faults in tries:
            try:
                play(scenario, *faults)
            except Broken as broken:
                return str(broken)
    return ""
