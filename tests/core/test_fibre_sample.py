"""The generated sample, taken through projection, diff and rules in one process: what was planted is found, and nothing else."""

import collections

import pytest
from fibre_records import DROPS, PIPELINE, POLES, SEEN, stands
from penstock.core import diff, rules
from penstock.core.changes import Change
from penstock.core.mapping import allowed_fields
from penstock.core.projection import Projector
from penstock.core.records import Snapshot
from penstock.core.spelling import variants
from penstock.local.sample import Sample

PACK = 250


class Run:
    """One run over source records and production, as capture and check would do it."""

    def __init__(self, records, production):
        self.production = production
        by_key = {("poles", data["poleNumber"]): path for path, data in production.items() if path.startswith("planned-poles/")}
        projector, claims, parents = Projector(PIPELINE, "onemap"), collections.Counter(), set()
        self.changes, self.tally = [], collections.Counter()
        groups = collections.defaultdict(list)
        for record in records:
            groups[record.fields["Pole Number"]].append(record)
        for group in groups.values():
            projection = projector.project(group)
            self.tally.update({("read", e): n for e, n in projection.read.items()})
            self.tally.update({("merged", e): n for e, n in projection.merged.items()})
            for (name, _), many in projection.skipped.items():
                self.tally["skipped", name] += many
            for p in projection.projected:
                entity = PIPELINE.entity(p.entity)
                path = f"{entity.collection}/{p.key}"
                at = path if path in production else by_key.get((p.entity, p.key))
                near = ""
                if at is None and entity.spellings is not None:
                    near = next(
                        (v for k in variants(p.key, entity.spellings) if (v := f"{entity.collection}/{k}") in production), ""
                    )
                if at:
                    parents.add((p.entity, p.key))
                claims[p.entity, p.key] += 1
                change = diff.plan(
                    entity, p, stands(at or path, production.get(at)), matched_by="key" if at and at != path else "id", near=near,
                    claim=claims[p.entity, p.key], parent_exists=("poles", str(p.values.get(("poleNumber",)))) in parents,
                )  # fmt: skip
                self.tally["changed" if isinstance(change, Change) else "same", p.entity] += 1
                if isinstance(change, Change):
                    self.changes.append(change)

    def findings(self):
        """Findings that are told (folded ones are not), and how many lookups the packs asked for."""
        by_group = collections.defaultdict(list)
        for change in self.changes:
            by_group[change.group].append(change)
        packs = [[]]
        for group in by_group.values():
            if len(packs[-1]) + len(group) > PACK:
                packs.append([])
            packs[-1] += group
        found, gathered, asked = [], [], 0
        children = collections.Counter(d.get("poleNumber") for path, d in self.production.items() if path.startswith("drops/"))
        for pack in packs:
            judging = rules.Judging(PIPELINE, "", pack)
            answers = judging.found
            while questions := judging.asks():
                asked += len(questions)
                for q in questions:
                    if isinstance(q, rules.Get):
                        answers[q] = stands(q.path, self.production.get(q.path))
                    else:
                        answers[q] = sum(children[v] for v in (q.value if isinstance(q.value, tuple) else (q.value,)))
            found += judging.check()
            gathered.append(judging.gather())
        totals = collections.Counter(path.partition("/")[0] for path in self.production)
        judged = rules.judge(PIPELINE, gathered, {"poles": totals["planned-poles"], "drops": totals["drops"]})
        told = [f for f in found if not (f.rule == "different_values" and f.field in judged.folded)]
        return [*told, *judged.findings], asked

    def promote(self):
        """Production after all of it was approved."""
        after = dict(self.production)
        for change in self.changes:
            if "#" not in change.key:
                entity = PIPELINE.entity(change.entity)
                result = diff.result_of(change, {})
                after[change.path] = result | {"penstock": {"content": diff.content_fingerprint(entity, result)}}
        return after


def counted(findings):
    """By rule: how many poles, drops or batches carry it."""
    things = {(f.rule, f.key.partition("#")[0]) for f in findings}
    return dict(collections.Counter(rule for rule, _ in things))


def select(rows):
    allowed = {f[0] for f in allowed_fields(PIPELINE, "onemap")}
    return [Snapshot(f"onemap-records/{i}", {k: v for k, v in row.items() if k in allowed}, SEEN) for i, row in rows]


@pytest.fixture(scope="module")
def sample():
    return Sample()


@pytest.fixture(scope="module")
def first_day(sample):
    production = {f"planned-poles/{i}": d for i, d in sample.poles()} | {f"drops/{i}": d for i, d in sample.drops()}
    return Run(select(sample.records()), production)


def test_the_first_day_finds_exactly_what_was_planted(sample, first_day):
    findings, asked = first_day.findings()
    assert counted(findings) == dict(sample.planted)
    assert asked <= 0.05 * len(first_day.changes)  # billed reads of the rules


def test_the_first_day_adds_up(first_day):
    t = first_day.tally
    for entity in ("poles", "drops"):
        assert t["read", entity] == t["changed", entity] + t["same", entity] + t["merged", entity] + t["skipped", entity] > 20_000


def test_the_second_run_over_the_same_source_changes_nothing_but_the_rivals(sample, first_day):
    again = Run(select(sample.records()), first_day.promote())
    rivals = {f.key.partition("#")[0] for f in first_day.findings()[0] if f.rule == "rivals"}
    assert {c.key.partition("#")[0] for c in again.changes} == rivals


def test_the_second_day_finds_the_edits_that_were_made_by_hand(sample, first_day):
    day, production = sample.second_day(), first_day.promote()
    for path, edit in day.edits.items():
        production[path] = production[path] | edit
    rows = dict(sample.records()) | dict(day.records)
    touched = {row["Pole Number"] for row in day.records.values()}
    run = Run(select((i, row) for i, row in rows.items() if row["Pole Number"] in touched), production)
    assert counted(run.findings()[0]) == dict(day.planted)
    assert len(run.changes) >= 1_000
    assert {c.entity for c in run.changes} == {POLES.name, DROPS.name}
