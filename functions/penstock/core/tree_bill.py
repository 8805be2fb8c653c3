"""What promoting a pack of a tree costs beside its own writes: what is looked at again, and what follows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from penstock.core.bill import query_of, reads_of_check
from penstock.core.changes import Change
from penstock.core.cost import Cost
from penstock.core.declaration import Entity, Pipeline, Tree
from penstock.core.limits import MAX_DISJUNCTIONS
from penstock.core.packs import Ready
from penstock.core.placing import needed
from penstock.core.rules import dependents, impact
from penstock.core.tree import is_below, place_of
from penstock.core.values import get_in


def beside(pipeline: Pipeline, prefix: str, changes: Sequence[Change]) -> Cost:
    """As far as production stays as it is, and nothing was chosen for what hangs below units that go."""
    entity = pipeline.tree
    of_tree = [c for c in changes if entity and c.entity == entity.name and place_of(c)]
    if entity is None or entity.tree is None or not of_tree:
        return Cost()
    seen = len(needed([_ready(c) for c in of_tree]))
    followed = _followed(entity, entity.tree, of_tree)
    return Cost(reads=seen + _gone(entity.tree, of_tree) + _leaving(pipeline, prefix, of_tree)) + followed


def _ready(c: Change) -> Ready:
    return Ready(c.key, c.entity, c.group, c.path, c.action, (), c.planned_against, None, place_of(c))


def _of(changes: Sequence[Change], step: str) -> list[Change]:
    return [c for c in changes if (place := place_of(c)) is not None and place.step == step]


def _followed(entity: Entity, tree: Tree, changes: Sequence[Change]) -> Cost:
    """Below the outermost moves everything is read once, and written unless the pack changes it anyway. Dependents are asked for
    twice, at the unit and below it, where there seldom are any at it."""
    paths = {c.path: str(get_in(c.before or {}, tree.path) or "") for c in changes}
    moved = [c for c in _of(changes, "move") if paths[c.path]]
    tops = [c for c in moved if not any(is_below(paths[c.path], paths[o.path]) for o in moved)]
    reads = writes = 0
    for top in tops:
        below: dict[str, int] = top.facts.get("below", {})
        changed = sum(1 for path in paths.values() if is_below(path, paths[top.path]))
        writes += max(0, below.get(entity.name, 0) - changed) + sum(n for name, n in below.items() if name != entity.name)
        reads += query_of(below.get(entity.name, 0))
        reads += sum(1 + query_of(below.get(d.name, 0)) for d in tree.dependents)
        reads += 1 + 2 * len(tree.dependents)  # once more at the end, for those who came meanwhile
    return Cost(reads=reads, writes=writes)


def _gone(tree: Tree, changes: Sequence[Change]) -> int:
    """Whether anything else hangs under what is removed: counted before, and at the end."""
    return 2 * -(-len(_of(changes, "remove")) // MAX_DISJUNCTIONS) * (1 + len(tree.dependents))


def _leaving(pipeline: Pipeline, prefix: str, changes: Sequence[Change]) -> int:
    """Of units that go it is counted again what they would leave, and by the rule for impact, where there is one, what they touch
    at all."""
    going = _of(changes, "deactivate")

    def asked(name: str, of: Sequence[Change]) -> int:
        rules = tuple(rule for rule in pipeline.rules if rule[0] == name)
        return reads_of_check(replace(pipeline, rules=rules), prefix, of, {}) if rules else 0

    touched = asked(impact.NAME, going)  # of what is taken back the rule said nothing
    judged = [c._replace(facts={k: v for k, v in c.facts.items() if k != "undoes"}) for c in going]
    return asked(dependents.NAME, judged) + touched + (len(going) if touched else 0)
