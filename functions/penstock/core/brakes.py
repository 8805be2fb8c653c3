"""Brakes: bands that a run stays within, or a person decides knowingly to go beyond.

What lies outside is told in words with the numbers before and now. The same comparison tells whether a fact is the one that a
person was told, or decided on, already: what was seen then takes the place of the last complete read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from penstock.core.changes import Finding
from penstock.core.cost import Cost, Prices, money
from penstock.core.declaration import Brakes
from penstock.core.findings import listed

FEW = 20  # documents; of fewer a share says nothing, and only their absence does
ENOUGH = 5  # documents that must agree before a field is taken for always there, or for gone
_ALIKE = 8  # characters that a name cut short still shares with the whole


@dataclass(frozen=True, slots=True)
class Seen:
    """A source as a run found it before it read on. Of the last complete read it is what the next run is compared with; of a run
    that was held it is the evidence. Field names are fingerprints: those that no pipeline names never leave the source."""

    documents: int = 0
    names: tuple[str, ...] = ()  # of the fields that every document of a small sample has; (): the sample was too small
    rare: tuple[str, ...] = ()  # of those that some of them have
    lacking: tuple[str, ...] = ()  # of mapped fields that none of the documents changed since then has
    ids: tuple[str, ...] = ()  # of a few documents
    older: str = ""  # a moment since which nothing was changed, although the source was read beyond it before


class Lost(NamedTuple):
    """Of so many known documents that were asked for, so many are not there."""

    documents: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """One source now. `mapped` are the names of its top-level fields that the pipeline reads; `alike` gives those among them that
    are not there but for a spelling that comes near."""

    source: str
    mapped: Collection[str]
    now: Seen
    read_to: str = ""  # how far the source was read before
    alike: Mapping[str, str] = field(default_factory=dict)


def over_budget(brakes: Brakes, taken: Mapping[str, int], production: Mapping[str, int]) -> tuple[Finding, ...]:
    """Entities of which this batch would take more out of production than it may. Both by entity: `taken`, records to be removed
    or deactivated; `production`, documents now."""
    return tuple(
        Finding(
            "brake",
            "blocker",
            "",
            "",
            f"{many} of {production.get(entity, 0)} {entity} in production would be removed or deactivated, because the source "
            f"no longer holds them or says so of them; the band is {brakes.deleted_share:.0%}.",
            "Look whether the source was cut down or replaced. Approve the brake only if these records are really gone.",
        )
        for entity, many in taken.items()
        if many > brakes.deleted_share * production.get(entity, 0)
    )


def tripped(brakes: Brakes, counts: Mapping[str, int], production: Mapping[str, int]) -> tuple[Finding, ...]:
    """What this batch goes beyond. `counts`: `poles UPDATE` → changes; `production`: collection → documents now.

    Creates are no share of what is there: a first run fills an empty production without tripping anything."""
    held = sum(production.values())
    touched = sum(many for name, many in counts.items() if not name.endswith(" CREATE"))
    if not held or touched / held <= brakes.changed_share:
        return ()
    share = touched / held
    return (
        Finding(
            "brake",
            "blocker",
            "",
            "",
            f"{touched} of {held} production records ({share:.0%}) would change; the band is {brakes.changed_share:.0%}.",
            "Look whether the source was replaced or recoded. Approve the brake only if this is meant.",
        ),
    )


def outside(brakes: Brakes, measured: Measured, before: Seen | None, lost: Lost = Lost()) -> list[str]:  # noqa: B008 - a constant
    """What of a source lies outside its bands, a plain sentence each; nothing of a source that was never read whole but that it
    holds too little. `lost` is told of the documents in `before`."""
    now = measured.now
    told = [_too_few(brakes, measured, before)]
    if before is not None:
        told.append(_shrunken(brakes, measured, before))
        if now.documents or not any(told):  # else it is empty, and that says it all
            told += [
                _replaced(brakes, measured, before, lost),
                _older(brakes, measured, before),
                _header(brakes, measured, before),
            ]
    return [text for text in told if text]


def _too_few(brakes: Brakes, m: Measured, before: Seen | None) -> str:
    if m.now.documents >= brakes.minimum_source or (before is not None and m.now.documents >= before.documents):
        return ""
    was = f"; at the last complete read it held {before.documents:,}" if before else ""
    return f"{m.source} holds {m.now.documents:,} documents, fewer than the {brakes.minimum_source:,} that it must{was}."


def _shrunken(brakes: Brakes, m: Measured, before: Seen) -> str:
    now, was = m.now.documents, before.documents
    if brakes.shrunken is None or now >= was * (1 - brakes.shrunken) or (now and was < FEW):
        return ""
    if now < brakes.minimum_source:
        return ""  # told already as too few
    less = f"{(was - now) / was:.0%} fewer; the band is {brakes.shrunken:.0%}"
    return f"{m.source} holds {now:,} documents; at the last complete read it held {was:,} ({less})."


def _replaced(brakes: Brakes, m: Measured, before: Seen, lost: Lost) -> str:
    if brakes.replaced is None or before.documents < FEW or lost.documents <= lost.asked * brakes.replaced:
        return ""
    band = f"the band is {brakes.replaced:.0%}"
    return f"{lost.documents} of {lost.asked} documents of {m.source} that were there before are gone ({band})."


def _older(brakes: Brakes, m: Measured, before: Seen) -> str:
    if brakes.older is None or not m.now.older or before.older:
        return ""
    read = f"it was read up to {m.read_to} before"
    return f"Nothing in {m.source} was changed since {m.now.older}, and {read}: this is an older state of it."


def _header(brakes: Brakes, m: Measured, before: Seen) -> str:
    """Which fields came, went or are spelled otherwise. Of fields that the pipeline does not name, only how many."""
    if brakes.header == "ignore":
        return ""
    drift = drift_of(m, before)
    if not drift.missing and (brakes.header == "mapped" or not (drift.came or drift.went)):
        return ""
    told = [f"no longer has {listed(drift.missing)}"] if drift.missing else []
    told += [f"now has {spelled}" for spelled in drift.spelled]
    told += [f"has {fields(drift.came, 'new ')} that the pipeline does not name"] if drift.came else []
    told += [f"lost {fields(drift.went)} that the pipeline does not name"] if drift.went else []
    prints = f"header {fingerprint(*before.names)} before, {fingerprint(*m.now.names)} now"
    return f"{m.source} {listed(told)} ({prints})."


@dataclass(frozen=True, slots=True)
class Drift:
    missing: list[str]  # mapped fields, in quotes
    spelled: list[str]
    came: int  # fields that the pipeline does not name
    went: int


def drift_of(m: Measured, before: Seen) -> Drift:
    now = m.now
    there = {*now.names, *now.rare}
    named = {fingerprint(name): name for name in sorted(m.mapped)}
    gone = set(before.names) - there if now.names else set()
    gone |= (set(now.lacking) - set(before.lacking)) & set(before.names)
    missing = [name for print_, name in named.items() if print_ in gone]
    spelled = [f'"{m.alike[name]}" instead of "{name}"' for name in missing if name in m.alike]
    came = len(set(now.names) - {*before.names, *before.rare} - named.keys()) if before.names else 0
    return Drift([f'"{name}"' for name in missing], spelled, came, len(gone - named.keys()))


def fields(many: int, what: str = "") -> str:
    """`1 new field`, `3 fields`."""
    return f"{many:,} {what}field{'' if many == 1 else 's'}"


def fingerprint(*names: str) -> str:
    """Eight hex digits of a field's name, or of several in any order."""
    return hashlib.blake2b("\0".join(sorted(names)).encode(), digest_size=4).hexdigest()


def header(documents: Sequence[Collection[str]]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Fingerprints of the names that all of these documents have, and of those that some have; nothing of too few."""
    if len(documents) < ENOUGH:
        return (), ()
    some = set[str]().union(*documents)
    every = some.intersection(*documents)
    return tuple(sorted(map(fingerprint, every))), tuple(sorted(map(fingerprint, some - every)))


def lacking(documents: Sequence[Collection[str]], mapped: Iterable[str]) -> tuple[str, ...]:
    """Fingerprints of the mapped names that none of these documents has; nothing of too few."""
    if len(documents) < ENOUGH:
        return ()
    return tuple(sorted(fingerprint(name) for name in mapped if not any(name in document for document in documents)))


def alike(mapped: Iterable[str], there: Iterable[str]) -> dict[str, str]:
    """For each mapped name that is not there the one name that comes near it: other case or spacing, or cut short."""
    names = set(there)
    found: dict[str, str] = {}
    for name in set(mapped) - names:
        near = [n for n in names if _bare(n) == _bare(name) or (len(n) >= _ALIKE and name.startswith(n))]
        if len(near) == 1:
            found[name] = near[0]
    return found


def _bare(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def too_dear(brakes: Brakes, prices: Prices, cost: Cost) -> str:
    """By how much a cost lies beyond what a run may cost; "" where it does not."""
    many, usd = cost.operations, money(cost, prices)
    if brakes.max_operations is not None and many > brakes.max_operations:
        return f"{many:,} billed operations ({usd:.4f} USD); the band is {brakes.max_operations:,}"
    if brakes.max_usd is not None and usd > brakes.max_usd:
        return f"{usd:.4f} USD ({many:,} billed operations); the band is {brakes.max_usd:g} USD"
    return ""


def dear_batch(brakes: Brakes, prices: Prices, cost: Cost) -> tuple[Finding, ...]:
    """Of a batch that is staged, and foreseen to cost too much until its last report."""
    over = too_dear(brakes, prices, cost)
    text = f"From its capture to its last report this run is foreseen to cost {over}."
    remedy = "Nothing is promoted yet. Approve the brake to spend so much; reject the batch, or raise the band, otherwise."
    return (Finding("brake", "blocker", "", "", text, remedy),) if over else ()


OTHER = (
    "Nothing was staged, and production stays as it is. Look at the source. Approve the brake to go on with the source as it is "
    "now; reject to hold every run until the source changes."
)
DEAR = (
    "Production stays as it is. Approve the brake to let the next run cost what it takes; reject to hold every run until less is "
    "foreseen or `max_operations` and `max_usd` of the pipeline allow more."
)


def spread(ids: Iterable[str], many: int) -> tuple[str, ...]:
    """So many of the ids, evenly over all of them in their order."""
    ordered = sorted(ids)
    step = max(1, -(-len(ordered) // many))
    return tuple(ordered[::step])


def finding(told: Sequence[str], remedy: str = "") -> Finding:
    """The one thing that the people who decide about a held run are told."""
    return Finding(
        "brake",
        "blocker",
        "",
        "",
        " ".join(told),
        remedy or OTHER,
    )
