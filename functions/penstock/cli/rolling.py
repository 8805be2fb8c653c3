"""The preview of a rollback: what is, what would be, and what was edited since."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence

from penstock.cli import output
from penstock.cli.answers import deciding as answers
from penstock.cli.app import App
from penstock.cli.command import DONE, FOUND
from penstock.core.reversal import Choice, FieldState, Reversal
from penstock.core.values import dotted
from penstock.web.text import plain, plural

SHOWN = 50  # records; `--json` gives all
NONE = "NONE"


def show(app: App, batch: str, found: Sequence[Reversal], choice: Choice) -> int:
    """Answers with the preview; exit code 1 where later edits were found, kept or lost."""
    edited = [r for r in found if r.later]
    records = tuple(_record(r) for r in (*edited, *(r for r in found if not r.later)))
    would = Counter(r.action for r in records)
    answer = answers.RollbackPreview(batch, dict(would), len(edited), records, _steps(batch, choice, would, edited))

    def people() -> None:
        does = ", ".join(f"{count:,} {action}" for action, count in sorted(would.items()))
        output.say(f"A rollback of {batch} would do this to {plural(len(records), 'record')}: {does or 'nothing'}.")
        for r in records[:SHOWN]:
            _say(r)
        if len(records) > SHOWN:
            output.say(f"\n… and {plural(len(records) - SHOWN, 'more record')}: --json lists all.")

    app.answer(answer, people)
    return FOUND if edited else DONE


def _steps(batch: str, choice: Choice, would: Counter[str], edited: Sequence[Reversal]) -> tuple[str, ...]:
    words = [f"--key {shlex.quote(key)}" for key in sorted(choice.keys or ())]
    words += [f"--field {shlex.quote(dotted(field))}" for field in choice.fields]
    plan = " ".join(["penstock rollback", batch, *words])
    steps = [plan + (" --overwrite-edits" if choice.overwrite else "")] if would.total() > would[NONE] else []
    steps += [f"{plan} --overwrite-edits --preview"] if edited and not choice.overwrite else []
    return tuple(steps) or (f"penstock show {batch}",)


def _record(r: Reversal) -> answers.PreviewRecord:
    undone = r.undone
    action = r.change.action.value if r.change else NONE
    fields = tuple(map(_field, r.fields))
    facts = r.change.facts if r.change else {}
    returns = Counter(line["kind"] for line in facts.get("back", ()))
    return answers.PreviewRecord(
        undone.key, undone.path, action, r.why, r.later, fields, r.others, dict(returns), facts.get("stays", {})
    )


def _field(f: FieldState) -> answers.PreviewField:
    return answers.PreviewField(dotted(f.path), f.now, f.promoted, f.before, f.before if f.taken else f.now, f.edited, f.taken)


def _say(r: answers.PreviewRecord) -> None:
    output.say(f"\n{r.key}  {r.action}{f': it {r.why}' if r.why else ''}")
    if r.later:
        output.say(f"  edited since: {r.later}")
    for f in r.fields:
        now, promoted, before = (plain(v) if v is not None else "nothing" for v in (f.now, f.promoted, f.before))
        if not f.edited:
            output.say(f"  {f.field}: {now} → {before}")
        elif f.restored:
            output.say(f"  {f.field}: {now} → {before}, and the later edit is lost (promoted was {promoted})")
        else:
            output.say(f"  {f.field}: {now} is kept (promoted was {promoted}, before {before})")
    for kind, many in r.returns.items():
        output.say(f"  {kind}: {many:,} {'returns' if many == 1 else 'return'} with it")
    for document, why in r.stays.items():
        output.say(f"  {document} {why}, and stays")
    for name in r.others:
        output.say(f"  {name}: written since by others" + (", and lost with the record" if r.action == "DELETE" else ", stays"))
