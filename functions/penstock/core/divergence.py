"""How production stands to its source: equal, or different for a reason that is known, or for none."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from penstock.core.declaration import Entity
from penstock.core.values import Data, FieldPath, Value, dotted, dumps, get_in

State: TypeAlias = Literal["equal", "pending", "declined", "unexplained"]
STATES: tuple[State, ...] = get_args(State)  # the last that any record is in is that of all


@dataclass(frozen=True, slots=True)
class Difference:
    """One record that production holds otherwise than its source says. `why` in plain words."""

    key: str
    state: State
    why: str


@dataclass(frozen=True, slots=True)
class Standing:
    """One partition of one target (all of it, where its sources have none). The hashes are over what the source says and what
    production holds of it: equal where these are. `counts`: records by state; `differences`: all but the equal ones."""

    partition: str
    state: State
    counts: Mapping[State, int]
    source_hash: str
    production_hash: str
    differences: tuple[Difference, ...] = ()


def print_of(entity: Entity, values: Mapping[FieldPath, Value]) -> str:
    """16 hex digits of what a record says in the fields that make a change."""
    said = {dotted(f.target): v for f in entity.fields if f.compare.how != "passive" and (v := values.get(f.target)) is not None}
    return hashlib.blake2b(dumps(said).encode(), digest_size=8).hexdigest()


def print_of_document(entity: Entity, data: Data) -> str:
    """The same of a production document."""
    return print_of(entity, {f.target: get_in(data, f.target) for f in entity.fields})


def hash_of(prints: Mapping[str, str]) -> str:
    """Over records by key; whatever their order."""
    return hashlib.sha256("\n".join(f"{key} {prints[key]}" for key in sorted(prints)).encode()).hexdigest()


def standing(partition: str, said: Mapping[str, str], held: Mapping[str, str], differences: Iterable[Difference]) -> Standing:
    """`said` and `held`: the prints of the source's records and of production's, by key."""
    told = tuple(sorted(differences, key=lambda d: (-STATES.index(d.state), d.key)))
    counts: dict[State, int] = {state: sum(1 for d in told if d.state == state) for state in STATES}
    counts["equal"] = len({*said, *held} - {d.key for d in told})
    worst: State = told[0].state if told else "equal"
    return Standing(partition, worst, counts, hash_of(said), hash_of(held), told)
