"""What people said, resolved: a verdict for each change, purely from changes, findings and decisions."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from penstock.core.changes import Finding
from penstock.core.errors import InvalidInput, Refused
from penstock.core.plan import DEPENDENTS, Batch, Decision, Verdict

_NONE: frozenset[str] = frozenset()


class Subject(NamedTuple):
    """What a verdict looks at of one change. `fields` are dotted."""

    key: str
    entity: str
    group: str
    action: str
    path: str
    fields: frozenset[str]  # that would replace another value
    rules: frozenset[str]
    blockers: frozenset[str]  # the rules among them that block
    parent: str = ""  # the key of the record it belongs to
    step: str = ""  # in a tree: what it is to the hierarchy (`tree.Step`)

    @property
    def comes(self) -> bool:
        """Whether other changes may need this one first: of a new record, or in a tree of one that comes back."""
        return self.action == "CREATE" or self.step == "restore"

    @property
    def goes(self) -> bool:
        """Whether what belongs to the record must go before it."""
        return self.action == "DELETE" or self.step == "deactivate"


def subject_of(
    key: str,
    entity: str,
    group: str,
    action: str,
    path: str,
    fields: Iterable[str],
    findings: Iterable[Finding],
    parent: str = "",
    step: str = "",
) -> Subject:
    found = list(findings)
    rules = frozenset(f.rule for f in found) if found else _NONE
    blockers = frozenset(f.rule for f in found if f.severity == "blocker") if found else _NONE
    return Subject(key, entity, group, action, path, frozenset(fields), rules, blockers, parent, step)


@lru_cache(maxsize=1_024)
def person(address: str) -> str:
    """One person whatever the spelling of the address: case, +tags and letters of another width do not make another, nor at
    Google Mail do dots."""
    name, _, domain = unicodedata.normalize("NFKC", address).strip().casefold().rpartition("@")
    name = name.partition("+")[0]
    if domain in ("gmail.com", "googlemail.com"):
        name, domain = name.replace(".", ""), "gmail.com"
    return f"{name}@{domain}" if name else domain


def verdict(subject: Subject, decision: Decision) -> Verdict | None:
    """What this decision says of this change; None where a blocker was given no word of its own.

    A word on the change itself counts most. Then a refusal of any group it is in, then the word on the whole batch, which never
    lets a blocker pass: each blocking rule needs a word for itself."""
    if decision.verdict == "reject":
        return "reject"
    own = decision.changes.get(subject.key)
    if own is not None:
        return own
    said = decision.groups
    if said and "reject" in {said[label] for label in _labels(subject) if label in said}:
        return "reject"
    chosen = DEPENDENTS if subject.key in decision.choices else ""  # what becomes of what hangs below is that rule's word
    if any(f"rule:{rule}" not in said and rule != chosen for rule in subject.blockers):
        return None
    return "approve"


def _labels(subject: Subject) -> list[str]:
    labels = [f"entity:{subject.entity}", f"action:{subject.action}", f"group:{subject.group}"]
    if subject.fields:
        labels += [f"mass:{name}" for name in subject.fields]
    if subject.rules:
        labels += [f"rule:{name}" for name in subject.rules]
    return labels


Carried = Mapping[str, Mapping[str, Verdict]]  # person → change key → verdict, from a superseded batch with the same content


def voices(subject: Subject, decisions: Sequence[Decision], carried: Carried) -> dict[str, Verdict | None]:
    """What each person said of a change; a word on this batch replaces one carried into it. A consent carried to a change that
    has a blocker now does not count: whoever gave it may not have seen that."""
    said: dict[str, Verdict | None] = {}
    for who, keys in carried.items():
        word = keys.get(subject.key)
        if word == "reject" or (word is not None and not subject.blockers):
            said[who] = word
    for decision in decisions:
        said[person(decision.by)] = verdict(subject, decision)
    return said


def outcome(subject: Subject, decisions: Sequence[Decision], carried: Carried, needed: int) -> Verdict | None:
    """The verdict once enough people have spoken: one refusal refuses, `needed` consents approve, None while neither is so."""
    said = voices(subject, decisions, carried).values()
    if "reject" in said:
        return "reject"
    return "approve" if sum(1 for v in said if v == "approve") >= needed else None


def consent(decisions: Sequence[Decision], carried: Carried, needed: int) -> frozenset[str] | None:
    """Where these decisions approve every change that has no finding, whatever else it is: the keys that were given a word of
    their own, and so must be looked at one by one. None where each change must. A shortcut of `outcome` for what is usual."""
    for decision in decisions:
        refused = [label for label, word in decision.groups.items() if word == "reject"]
        if decision.verdict == "reject" or not all(label.startswith("rule:") for label in refused):
            return None
    if carried or len({person(d.by) for d in decisions}) < needed:
        return None
    return frozenset(key for decision in decisions for key in decision.changes)


def admit(batch: Batch, decision: Decision, approvers: Sequence[str]) -> None:
    """May this person decide this batch now? `Refused` says why not."""
    who = person(decision.by)
    if batch.status != "UNDER_REVIEW":
        first = f": it was decided by {', '.join(person(d.by) for d in batch.decisions)}" if batch.decided_at else ""
        raise Refused(f"is {batch.status} and takes no decision{first}", subject=batch.id, remedy="Nothing was changed.")
    if who not in {person(a) for a in approvers}:
        raise Refused("is not an approver here", subject=decision.by, remedy="Ask one of the approvers to decide.")
    if who == person(batch.started_by):
        raise Refused(
            "started this run, and nobody approves what they started",
            subject=decision.by,
            remedy="Another approver must decide.",
        )
    if who in {person(d.by) for d in batch.decisions}:
        raise Refused("has decided on this batch already", subject=decision.by, remedy="The first word stands.")
    if decision.digest != batch.digest:
        raise Refused(
            "was changed after this page was made",
            subject=batch.id,
            remedy="Nothing was decided. Load the page again and look at what it shows now.",
        )


def _spoken_of(found: Finding, decision: Decision) -> bool:
    """A mass change needs a word for its field, whichever; a brake can only be approved knowingly."""
    if found.field:
        return f"mass:{found.field}" in decision.groups
    return decision.groups.get(f"rule:{found.rule}") == "approve"


def closed(subjects: Iterable[Subject], decision: Decision) -> Decision:
    """The decision with what follows from it: where a new record is refused, what belongs to it is refused too, by its key, and
    so on downwards; where a record is to be kept, the removal of what it belongs to is refused too, and so on upwards. In a
    tree the same holds of one that comes back, and of one that is deactivated. A change that was approved by its own key is left
    to `demand_complete`."""
    if decision.verdict == "reject":
        return decision
    said = [(s, verdict(s, decision)) for s in subjects]
    refused = {s.key for s, word in said if word == "reject" and s.comes}
    follows: dict[str, Verdict] = {}
    while more := [
        s
        for s, word in said
        if word != "reject" and not s.goes and s.parent in refused and s.key not in {**follows, **decision.changes}
    ]:
        follows |= {s.key: "reject" for s in more}
        refused |= {s.key for s in more if s.comes}
    leaving = {s.key: s for s, word in said if s.goes}
    kept = [s for s, word in said if s.goes and word == "reject"]
    while kept:
        above = leaving.get(kept.pop().parent)
        if above is not None and above.key not in {**follows, **decision.changes}:
            follows[above.key] = "reject"
            kept.append(above)
    return replace(decision, changes={**decision.changes, **follows})


def demand_complete(subjects: Iterable[Subject], decision: Decision, of_batch: Iterable[Finding] = ()) -> None:
    """Every blocker has a word, every named change exists, no two approved changes write one document, nothing is approved
    whose parent would be created and is refused, and nothing is removed that a kept one belongs to."""
    silent: list[str] = []
    if decision.verdict == "approve":
        for f in of_batch:
            if f.severity == "blocker" and not f.key and not _spoken_of(f, decision):
                raise InvalidInput(
                    f"the whole batch is held by {f.rule}: {f.text}",
                    subject="decision",
                    remedy="Nothing was decided. Give it a word of its own, or reject the batch.",
                )
    known: set[str] = set()
    written: dict[str, str] = {}
    not_created: set[str] = set()
    needed: dict[str, str] = {}  # the key of a record → that of one that belongs to it and is to be kept
    approved: list[Subject] = []
    for subject in subjects:
        known.add(subject.key)
        said = verdict(subject, decision)
        if said is None:
            silent.append(subject.key)
        elif said == "reject" and subject.comes:
            not_created.add(subject.key)
        elif said == "reject" and subject.goes:
            needed[subject.parent] = subject.key
        elif said == "approve":
            approved.append(subject)
            rival = written.setdefault(subject.path, subject.key)
            if rival != subject.key:
                raise InvalidInput(
                    f"and {rival} both write {subject.path}",
                    subject=subject.key,
                    remedy="Approve one of the two and keep production for the other.",
                )
    if bereft := [s for s in approved if s.goes and s.key in needed]:
        how = "removed" if bereft[0].action == "DELETE" else "deactivated"
        raise InvalidInput(
            f"would be {how}, while {needed[bereft[0].key]}, which belongs to it, was to be kept",
            subject=bereft[0].key,
            remedy="Nothing was decided. Approve both, or keep production for both.",
        )
    if orphans := [s for s in approved if s.parent in not_created and not s.goes]:
        raise InvalidInput(
            f"{len(orphans)} changes were approved without the new record that they belong to, the first is {orphans[0].key}: "
            f"{orphans[0].parent} would not be created",
            subject="decision",
            remedy="Nothing was decided. Approve the record they belong to as well, or keep production for both.",
        )
    if strangers := [key for key in decision.changes if key not in known]:
        raise InvalidInput(
            f"{len(strangers)} named changes are not in this batch, the first is {strangers[0][:120]!r}",
            subject="decision",
            remedy="Nothing was decided. Copy the keys from the page.",
        )
    if silent:
        raise InvalidInput(
            f"{len(silent)} changes with a blocker were given no word of their own, the first is {silent[0]}",
            subject="decision",
            remedy="Nothing was decided. For each blocking rule or each of its changes choose: use source, or keep production.",
        )
