"""Real processes on the Firestore emulator, killed with SIGKILL: at every call of every act through a port (before it, while it
is on its way, after it), at moments of nobody's choice, and again while a sweep mends what the kill before left. After each life
the laws are judged, and what stands in production is held against a life in which nobody was killed.

A violation names its life and its strikes, which are played again by `PENSTOCK_LIFE="at once: - 7:during -" scripts/prove kills`.
PENSTOCK_SEED draws another order and other moments."""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from penstock.local.emulators import FIRESTORE, started_or_reused
from support.killing import SIDES, Played, Player, Strike, again, calm
from support.lives import LIVES

from proofs.proof import Proof

DEFAULT = 40
LANES = 2
ENOUGH = 1.3  # so many kills for each place, and every place has to be reached
MOMENTS, SWEEPS, AT_SWEEP = 0.05, 0.1, 24  # share of kills at random moments; of sweeps that are killed; calls of a sweep
AT_MOST = 2  # kills of one act in one life
TRIES = 5  # lives in which a place is aimed at together with others, and then alone

Boundary = tuple[str, int, Strike]  # life, number in its course, where


def boundaries(played: Played, only: str = "") -> list[Boundary]:
    """Every place at which the processes of a life can be killed. What only looks changes nothing: to be killed there leaves the
    same as behind the change before it, so that only an act's very first call counts too."""
    calls = ((number, at, what) for number, made in played.made.items() for at, what in enumerate(made, 1))
    return [
        (played.life, number, Strike(at, side))
        for number, at, what in calls
        for side in (SIDES if not what.startswith("?") else SIDES[:1] if at == 1 else ())
        if only in f"{side} {what}"
    ]


@dataclass
class Tally:
    lives: int = 0
    kills: int = 0
    at_sweep: int = 0
    at_moments: int = 0
    reached: set[Boundary] = field(default_factory=set)
    violations: list[str] = field(default_factory=list)


class Lane:
    """Plays lives until it has killed enough."""

    def __init__(self, player: Player, calm_lives: Mapping[str, Played], todo: Sequence[Boundary], seed: int) -> None:
        self.player, self.calm, self.random, self.tally = player, calm_lives, random.Random(seed), Tally()
        self.todo: dict[tuple[str, int], list[Strike]] = defaultdict(list)
        for life, number, strike in todo:
            self.todo[life, number].append(strike)
        self.given: list[Boundary] = []
        self.tries: Counter[Boundary] = Counter()
        self.alone: list[Boundary] = []  # places that were not reached where other acts of their life were killed too
        self.aimed = False  # at places alone, and no more at random moments

    def kill(self, count: int) -> Tally:
        """So many kills, and where that is enough for every place, as many more as the places left over need."""
        whole = count >= ENOUGH * sum(map(len, self.todo.values()))
        while len(self.tally.violations) < 20:
            self.aimed = self.tally.kills >= count
            if self.aimed and not (whole and any(self.todo.values())):
                break
            life, self.given = self._next(), []
            kills: Counter[int] = Counter()
            self._count(self.player.play(life, lambda number, life=life, kills=kills: self._choose(life, number, kills)))  # type: ignore[misc]
        self.given = []
        for place in self.alone if whole else ():
            for _ in range(TRIES):
                if place not in self.tally.reached:
                    self._count(self.player.play(place[0], just(place)))
        return self.tally

    def _next(self) -> str:
        """The life of which an act has most places left, or any."""
        left = {life: max((len(s) for (of, _), s in self.todo.items() if of == life), default=0) for life in self.calm}
        return max(left, key=left.__getitem__) if any(left.values()) else self.random.choice(list(self.calm))

    def _choose(self, life: str, number: int, kills: Counter[int]) -> Strike | None:
        drawn = 1.0 if self.aimed else self.random.random()
        if number < 0:
            return Strike(self.random.randint(1, AT_SWEEP), self.random.choice(SIDES)) if drawn < SWEEPS else None
        kills[number] += 1
        if kills[number] > AT_MOST:
            return None
        if drawn < (MOMENTS if any(self.todo.values()) else 0.7):
            return Strike(seconds=round(self.random.uniform(0.01, self.calm[life].seconds[number]), 4))
        if kills[number] > 1 or not self.todo[life, number]:  # what is left of an act that was killed takes another way
            return None
        self.given.append((life, number, self.todo[life, number].pop()))
        return self.given[-1][2]

    def _count(self, played: Played) -> None:
        tally = self.tally
        tally.lives += 1
        tally.kills += len(played.struck)
        for number, strike, _ in played.struck:
            tally.at_sweep += number < 0
            tally.at_moments += strike.seconds is not None
            tally.reached.add((played.life, number, strike))
        for missed in set(self.given) - tally.reached:  # the act took another way, after what was killed before it: once more
            self.tries[missed] += 1
            if self.tries[missed] < TRIES:
                self.todo[missed[:2]].insert(0, missed[2])
            elif missed not in self.alone:
                self.alone.append(missed)
        if wrong := played.violation or differs(played, self.calm[played.life]):
            at = "; ".join(f"{number} {strike} {what}" for number, strike, what in played.struck)
            tally.violations.append(f"{played.life}: {' '.join(played.strikes)} [{at}] {wrong}")


def just(place: Boundary) -> Callable[[int], Strike | None]:
    """Kills the act at this place, once, and nothing else of its life."""
    left = [place[2]]
    return lambda number: left.pop() if number == place[1] and left else None


def differs(played: Played, calm_life: Played) -> str:
    """What came out otherwise than in a life in which nobody was killed."""
    if played.production != calm_life.production:
        paths = {
            p for p in {*played.production, *calm_life.production} if played.production.get(p) != calm_life.production.get(p)
        }
        return f"production is another: {', '.join(sorted(paths)[:5])}"
    if played.statuses != calm_life.statuses:
        return f"batches ended as {played.statuses}, not as {calm_life.statuses}"
    return ""


# each of these in a process of its own ------------------------------------------------------------------------------------


def _calm(folder: Path, emulator: str, bug: str, lives: Sequence[str]) -> list[Played]:
    player = Player(folder, emulator, bug)
    return [player.play(life, calm) for life in lives]


def _kill(
    folder: Path, emulator: str, bug: str, calm_lives: Mapping[str, Played], todo: Sequence[Boundary], seed: int, count: int
) -> Tally:
    return Lane(Player(folder, emulator, bug), calm_lives, todo, seed).kill(count)


def prove(count: int = DEFAULT, bug: str = "", lives: Sequence[str] = tuple(LIVES), only: str = "") -> Proof:
    """`bug` names one to be planted and found (see `simulation.planted`); `only` keeps the places like `after publish`."""
    seed = int(os.environ.get("PENSTOCK_SEED", "1"))
    with tempfile.TemporaryDirectory(prefix="kills") as name:
        folder = Path(name)
        emulator = started_or_reused(FIRESTORE, folder)
        try:
            with ProcessPoolExecutor(LANES, mp_context=get_context("spawn")) as lanes:
                if told := os.environ.get("PENSTOCK_LIFE"):
                    return lanes.submit(_again, folder / "again", emulator.address, told).result()
                return _prove(lanes, folder, emulator.address, count, bug, lives, only, seed)
        finally:
            emulator.stop()


def _prove(
    lanes: ProcessPoolExecutor, folder: Path, emulator: str, count: int, bug: str, lives: Sequence[str], only: str, seed: int
) -> Proof:
    parts = [lanes.submit(_calm, folder / f"calm{n}", emulator, bug, lives[n::LANES]) for n in range(LANES) if lives[n::LANES]]
    calm_lives = {played.life: played for part in parts for played in part.result()}
    if wrong := [f"{p.life}, nobody killed: {p.violation}" for p in calm_lives.values() if p.violation]:
        return Proof({"kills": 0}, wrong)
    every = sorted((b for played in calm_lives.values() for b in boundaries(played, only)), key=str)
    random.Random(seed).shuffle(every)
    shares = [count // LANES + (n < count % LANES) for n in range(LANES)]
    tallies = [
        lane.result()
        for lane in [
            lanes.submit(_kill, folder / f"lane{n}", emulator, bug, calm_lives, every[n::LANES], seed * 1_000 + n, shares[n])
            for n in range(LANES)
            if shares[n]
        ]
    ]
    reached = {b for tally in tallies for b in tally.reached} & set(every)
    left = [b for b in every if b not in reached] if count >= ENOUGH * len(every) else []
    counted = {
        "kills": sum(t.kills for t in tallies),
        f"of {len(every):,} places reached": len(reached),
        "kills at random moments": sum(t.at_moments for t in tallies),
        "kills of a sweep after a kill": sum(t.at_sweep for t in tallies),
        "lives": sum(t.lives for t in tallies),
    }
    unreached = [f"{life}, act {number} ({LIVES[life].course[number].name}) at {where}" for life, number, where in left]  # type: ignore[union-attr]
    return Proof(counted, [v for t in tallies for v in t.violations], unreached)


def _again(folder: Path, emulator: str, told: str) -> Proof:
    """Play one life again, as a violation told it."""
    life, _, strikes = told.partition(": ")
    player = Player(folder, emulator)
    expected, played = player.play(life, calm), player.play(life, again(strikes.split("[")[0].split()))
    wrong = played.violation or differs(played, expected)
    return Proof({"kills": len(played.struck), "lives": 1}, [wrong] if wrong else [])
