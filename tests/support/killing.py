"""Processes that are killed. Each act of a life is done by a process of its own, which gets SIGKILL at a chosen call through a
port, or at a moment of nobody's choice. What it did stays (see `lasting`); others go on from there, and come to rest."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

from penstock.core import packs
from penstock.core.errors import PenstockError
from penstock.core.layout import STAMP
from penstock.use_cases import effects, staging
from penstock.use_cases.context import load_batch
from penstock.use_cases.promote import resolve

from support.faults import Channel, Faults
from support.lasting import LastingWorld, Place
from support.lives import LATER, LIVES, SWEEP, Act, begin
from support.rest import assert_sound, production, settle

T = TypeVar("T")
Side = Literal["before", "during", "after"]
SIDES: tuple[Side, ...] = ("before", "during", "after")
STUCK_SECONDS = 180


@dataclass(frozen=True, slots=True)
class Strike:
    """Where a process is killed: at its `at`-th call through a port, counted from 1, or so many seconds after its start.
    `during` is while the request is on its way: it is applied, or it is not."""

    at: int = 0
    side: Side = "before"
    seconds: float | None = None

    def __str__(self) -> str:
        return f"{self.at}:{self.side}" if self.seconds is None else f"{self.seconds:.4f}s"

    @classmethod
    def parse(cls, text: str) -> Strike | None:
        if text == "-":
            return None
        if text.endswith("s"):
            return cls(seconds=float(text[:-1]))
        at, _, side = text.partition(":")
        return cls(int(at), side)  # type: ignore[arg-type]


class Dying(Faults):
    """Counts the calls of this process through its ports, and ends it at one of them."""

    def __init__(self, strike: Strike | None, folder: Path) -> None:
        super().__init__()
        self._strike, self._folder = strike or Strike(), folder
        self.armed = True
        self.made: list[str] = []  # a `?` before what only looks

    def call(self, channel: Channel, what: str, do: Callable[[], T]) -> T:
        if channel == "message":
            return do()
        self.made.append(what if channel == "change" else f"?{what}")
        if len(self.made) != self._strike.at:
            return do()
        (self._folder / "struck").write_text(what)
        if self._strike.side == "during":
            threading.Thread(target=_unheard, args=(do,), daemon=True).start()
            time.sleep(random.uniform(0, 0.004))
        elif self._strike.side == "after":
            with suppress(PenstockError):  # a refusal is an answer too
                do()
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it survived")


def _unheard(do: Callable[[], object]) -> None:
    """Whatever the answer is, nobody lives to hear it."""
    with suppress(Exception):
        do()


def prepare(life: str, bug: str) -> None:
    """Small packs, this life's size of what is done at once, and a planted bug, in this process and for good."""
    packs.MAX_CHANGES = 4
    effects.INLINE = LIVES[life].inline
    if bug:
        from support.plants import plant  # only who plants one needs the simulation

        plant(bug)


def _act(place: Place, life: str, bug: str, number: int, strike: Strike | None) -> None:
    """What a process does: one act. What it was told by people's mistakes or by rivals, it says and ends well."""
    prepare(life, bug)
    dying = Dying(strike, place.folder)
    world = LastingWorld(place, dying.wrap)
    world.deaf = True
    act = LIVES[life].course[number] if number >= 0 else SWEEP
    assert isinstance(act, Act)
    try:
        act.do(world)
    except PenstockError as error:
        (place.folder / "told").write_text(str(error))
    except Exception:  # noqa: BLE001 - it dies of it, and says why
        (place.folder / "told").write_text(traceback.format_exc())
        sys.exit(1)
    (place.folder / "made").write_text("\n".join(dying.made))
    world.close()


@dataclass
class Played:
    """What one life came to. `strikes`: of each process in turn, how it was to be killed; they play it again."""

    life: str
    strikes: list[str] = field(default_factory=list)
    struck: list[tuple[int, Strike, str]] = field(default_factory=list)  # (number in the course or -1, strike, call)
    made: dict[int, list[str]] = field(default_factory=dict)  # the calls of each act that ended well
    seconds: dict[int, float] = field(default_factory=dict)  # how long each of those took
    production: dict[str, object] = field(default_factory=dict)
    statuses: list[str] = field(default_factory=list)
    violation: str = ""


class Player:
    """Plays lives in a folder, on an emulator. `choose` says for each process how it is killed; for a sweep after a kill it is
    asked too, and None means that there is no such process: what is left is then done by this one."""

    def __init__(self, folder: Path, emulator: str, bug: str = "") -> None:
        self.folder, self.emulator, self.bug, self.number = folder, emulator, bug, 0
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path)
        self._processes = multiprocessing.get_context("forkserver")
        self._processes.set_forkserver_preload([__name__])

    def play(self, life: str, choose: Callable[[int], Strike | None]) -> Played:
        self.number += 1
        place = Place(self.folder / f"{self.folder.name}-{self.number}", self.emulator, on_delete=LIVES[life].on_delete)
        prepare(life, self.bug if self.number == 1 else "")
        world, played = LastingWorld(place), Played(life)
        try:
            begin(world)
            self._course(world, played, choose)
            settle(world)
            assert_sound(world)
            _assert_as_approved(world)
            played.production = dict(production(world))
            batches = world.documents("penstock_batches").values()
            played.statuses = sorted(str(b["status"]) for b in batches if b["status"] != "SUPERSEDED")
        except Exception as error:  # noqa: BLE001 - what cannot even be judged is not sound
            where = traceback.extract_tb(error.__traceback__)[-1]
            played.violation = f"{type(error).__name__} in {where.name}, line {where.lineno}: {str(error)[:1_000]}"
        world.clear()
        world.close()
        return played

    def _course(self, world: LastingWorld, played: Played, choose: Callable[[int], Strike | None]) -> None:
        for number, act in enumerate(LIVES[played.life].course):
            if not isinstance(act, Act):
                act(world)
                continue
            for _ in range(8):
                if not act.needed(world):
                    break
                if self._process(world, played, number, choose(number)):
                    break
                while (again := choose(-1)) is not None:
                    world.clock.forward(LATER)
                    self._process(world, played, -1, again)
                settle(world)
            else:
                raise AssertionError(f"{act.name} is needed still after eight times: {_read(world.place.folder / 'told')}")

    def _process(self, world: LastingWorld, played: Played, number: int, strike: Strike | None) -> bool:
        """Let a process do one act; whether it did, and was not killed."""
        place = replace(world.place, late=world.clock.late)
        for name in ("struck", "told", "made"):
            (place.folder / name).unlink(missing_ok=True)
        played.strikes.append(str(strike or "-"))
        process = self._processes.Process(target=_act, args=(place, played.life, self.bug, number, strike))
        began = time.monotonic()
        process.start()
        process.join(STUCK_SECONDS if strike is None or strike.seconds is None else strike.seconds)
        if process.exitcode is None:
            process.kill()
            process.join()
            assert strike is not None, "a process hangs"
            assert strike.seconds is not None, "a process hangs"
        took, code = time.monotonic() - began, process.exitcode
        process.close()
        if code == -signal.SIGKILL:
            assert strike is not None
            played.struck.append((number, strike, _read(place.folder / "struck")))
            return False
        assert code == 0, f"act {number} ended with {code}: {_read(place.folder / 'told')}"
        if told := _read(place.folder / "told"):
            assert played.struck, told
            return False
        played.made[number] = _read(place.folder / "made").splitlines()
        played.seconds[number] = took
        return True


def _read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _assert_as_approved(world: LastingWorld) -> None:
    """Production holds nothing of a batch but what that batch's ledgers say of it."""
    applied: dict[str, set[str]] = {}
    for id in world.documents("penstock_batches"):
        batch = load_batch(world.outside, id).batch
        for pack in staging.packs_of(world.outside, id):
            approved, _ = resolve(batch, pack) if batch.decisions else ((), ())
            fell = set(pack.ledger.drifted) if pack.ledger else set()
            applied.setdefault(id, set()).update(c.path for c in approved if pack.ledger and c.key not in fell)
    for entity in world.outside.pipeline.entities:
        for id, data in world.documents(entity.collection).items():
            if stamp := data.get(STAMP):
                assert f"{entity.collection}/{id}" in applied[stamp["batch"]], f"{id} was written by {stamp['batch']} unnoticed"


def calm(_: int) -> None:
    """Nobody is killed."""


def again(strikes: Iterable[str]) -> Callable[[int], Strike | None]:
    """The strikes of a life that was played, in their order."""
    left = iter(strikes)
    return lambda _: Strike.parse(next(left, "-"))
