"""What becomes of what hangs below a unit that goes. A deactivation that would leave something behind needs a word of its own: it
goes along, or it moves to another unit; else the unit is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from penstock.core.changes import Finding
from penstock.core.decisions import Subject, person, verdict
from penstock.core.errors import InvalidInput
from penstock.core.plan import DEPENDENTS, Decision, Verdict

CASCADE = "cascade"
ACTIVE = "active units"  # the row of a finding's table with the active units that a batch does not take away
OWN = "units of the target's own"
EACH = "*"  # in place of a key: all that were given no word of their own
_REASSIGN = "reassign:"
_NOTHING = "Nothing was decided."


def reassign(to: str) -> str:
    return f"{_REASSIGN}{to}"


def other_of(choice: str) -> str | None:
    """The unit that a choice names; None for one that names none."""
    return choice.removeprefix(_REASSIGN) if choice.startswith(_REASSIGN) else None


def parse(text: str) -> str:
    """A choice as somebody wrote it; `InvalidInput` for what is none."""
    to = other_of(text)
    if text == CASCADE:
        return text
    if to is not None and to.strip():
        return reassign(to.strip())
    what = f"is neither {CASCADE} nor {_REASSIGN}ID: {text[:80]!r}"
    raise InvalidInput(what, subject="choice", remedy=f"{_NOTHING} Name the unit that everything moves to, or take it along.")


def asked(findings: Iterable[Finding]) -> dict[str, Finding]:
    """By key: what was found below the units whose deactivation needs a choice."""
    return {f.key: f for f in findings if f.rule == DEPENDENTS and f.severity == "blocker"}


def spread(subjects: Iterable[Subject], asked: Collection[str], decision: Decision) -> Decision:
    """The decision with what its choices come to: one for a change approves it, and the one for each is one for every change that
    was given no word of its own. `InvalidInput` where a change was to be kept too."""
    own = {key: parse(choice) for key, choice in decision.choices.items() if key != EACH}
    if twice := [key for key in own if decision.changes.get(key) == "reject"]:
        raise InvalidInput("was to be kept, and was given a choice", subject=twice[0], remedy=f"{_NOTHING} Say one of the two.")
    for_each = {}
    if EACH in decision.choices:
        free = [s for s in subjects if s.key in asked and s.key not in decision.changes]
        for_each = {s.key: parse(decision.choices[EACH]) for s in free if verdict(s, decision) != "reject"}
    approved: dict[str, Verdict] = dict.fromkeys(own, "approve")
    return replace(decision, choices={**for_each, **own}, changes={**decision.changes, **approved})


def demand(
    asked: Mapping[str, Finding], approved: Collection[str], decision: Decision, earlier: Sequence[Decision] = ()
) -> Decision:
    """Every approved change that needs a choice has one, no other has, and all who approve it chose alike; `earlier`: what others
    decided. Gives the decision without the choices for what is refused because of something else. `InvalidInput` says what is
    missing."""
    for key, choice in decision.choices.items():
        if key not in asked:
            what = "was given a choice, and nothing hangs below it that needs one"
            raise InvalidInput(what, subject=key, remedy=f"{_NOTHING} Leave the choice out, or copy the key from the page.")
        if other_of(choice) is not None and (stay := active_below(asked[key])):
            what = (
                f"has {stay:,} active units below it that this batch does not take away; only what is not official can be moved"
            )
            raise InvalidInput(what, subject=key, remedy=f"{_NOTHING} Take what hangs below it along, or keep the unit.")
    going = [key for key in asked if key in approved]
    if bare := [key for key in going if key not in decision.choices]:
        what = f"{len(bare)} units would go that others hang below, the first is {bare[0]}: {asked[bare[0]].text}"
        remedy = "For each of them choose: keep it, take what hangs below it along, or move that to another unit."
        raise InvalidInput(what, subject="decision", remedy=f"{_NOTHING} {remedy}")
    for before in earlier:
        for key in going:
            if key in before.choices and before.choices[key] != decision.choices[key]:
                what = f"was approved by {person(before.by)} with another choice: {before.choices[key]}"
                raise InvalidInput(what, subject=key, remedy=f"{_NOTHING} Choose the same, or keep the unit, which refuses it.")
    return replace(decision, choices={key: decision.choices[key] for key in going})


def active_below(found: Finding) -> int:
    return sum(many for name, _, many in found.table if name == ACTIVE)


def chosen(decisions: Iterable[Decision]) -> dict[str, str]:
    """By key: what those who approved chose."""
    return {key: choice for d in decisions if d.verdict == "approve" for key, choice in d.choices.items()}
