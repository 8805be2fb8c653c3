"""What production does not say although its source does, because a person decided so: rejected, or taken back. It is listed, and
a person lets it be proposed again."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from penstock.core import layout
from penstock.core.codec import Recheck
from penstock.core.errors import Conflict, NotFound, OutcomeUnknown, Refused, Unavailable
from penstock.core.manifest import GONE
from penstock.core.records import Query, Where
from penstock.core.values import Timestamp
from penstock.use_cases import staging
from penstock.use_cases.context import TRIES, Context, load_target, note
from penstock.use_cases.production import IN, chunks
from penstock.use_cases.staging import Word


@dataclass(frozen=True, slots=True)
class Intended:
    """One record that differs from its source by decision. `fields` are dotted, "" for the whole record; `batch` is the one in
    which that was decided last, `since` when."""

    key: str
    fields: tuple[str, ...]
    batch: str
    since: Timestamp


def intended(ctx: Context) -> list[Intended]:
    """Every record of the target that is not proposed as its source has it, by key. Costs a billed read for every pack in which
    something was refused or taken back."""
    return [_intended(key, fields) for key, fields in sorted(staging.words(ctx).items())]


def _intended(key: str, fields: Mapping[str, Word]) -> Intended:
    last = max(fields.values(), key=lambda word: word.at)
    return Intended(key, tuple(sorted(fields)), last.batch, last.at)


def forget(ctx: Context, keys: Collection[str], by: str, fields: Collection[str] = ()) -> tuple[str, ...]:
    """Let these records (of them these fields alone) be proposed again as their source has them. Gives the keys that the next
    run sees by itself; the others only a full run does: what was staged of them is purged, or they are gone from the source.
    `NotFound` for a key of which nothing is remembered."""
    done: tuple[str, ...] | None = None  # by a try whose answer was lost: then finding nothing may be our own doing
    for _ in range(TRIES):
        target = load_target(ctx)
        if target.state.applying:
            raise Refused(f"is being promoted now ({target.state.applying})", subject=ctx.id, remedy="Ask when it is done.")
        words = staging.words(ctx)
        lifted = {key: dict.fromkeys((name for name in words.get(key, {}) if not fields or name in fields), "") for key in keys}
        if unknown := [key for key, names in lifted.items() if not names]:
            if done is not None:
                return done
            what = "nothing that was declined is remembered" + (" of these fields" if fields else "")
            raise NotFound(what, subject=unknown[0], remedy=f"`penstock declined {ctx.id}` lists what is.")
        of_source = {key: [words[key][name] for name in names] for key, names in lifted.items()}
        again = list(_again(ctx, {key: {word.batch for word in said if word.said != GONE} for key, said in of_source.items()}))
        seen = tuple(sorted({key for recheck in again for key in recheck.keys or ()}))
        detail = {"keys": sorted(lifted)[:100], "count": len(lifted), "fields": sorted(fields)}
        write = staging.remember(ctx, f"{ctx.id}.forgotten-{ctx.ports.new_id()}", 0, lifted)
        try:
            note(ctx, target, "forgot what was declined", by, detail, write, recheck=(*target.state.recheck, *again))
        except Conflict:
            continue
        except OutcomeUnknown:
            done = seen
            continue
        return seen
    raise Unavailable("could not be written: others write it all the time", subject=ctx.id, remedy="Try again.")


def _again(ctx: Context, origins: Mapping[str, Iterable[str]]) -> Iterable[Recheck]:
    """The groups to be planned again, found by what is still staged of them."""
    by_batch: dict[str, list[str]] = {}
    for key, batches in origins.items():
        for batch in batches:
            by_batch.setdefault(batch, []).append(key)
    for batch, keys in by_batch.items():
        there: set[str] = set()
        for some in chunks(keys, IN):
            where = Where(("batch",), "==", batch), Where(("keys",), "array-contains-any", some)
            for pack in ctx.store.scan(Query(layout.STAGING, where, select=(("keys",),))):
                there |= {key for key in some if key in set(pack.fields["keys"])}
        if there:
            yield Recheck(batch, tuple(sorted(there)), asked=True)
