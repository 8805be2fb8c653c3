"""Lives of a target, act by act: what people, schedules and messages do between the first run and the last decision. Each act is
one that a single process does, so that any of them can be killed; what lies between them is done by nobody who could be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from penstock.core.batch import Status
from penstock.core.codec import Mode
from penstock.core.declaration import DeletePolicy
from penstock.core.records import Delete
from penstock.entrypoints import privileges
from penstock.use_cases import effects
from penstock.use_cases.capture import capture
from penstock.use_cases.context import load_target
from penstock.use_cases.decide import Said
from penstock.use_cases.rollback import plan_rollback

from support import network as net
from support.lasting import LastingWorld

LATER = 1_000.0  # seconds: leases have ended, and what is owed is overdue


@dataclass(frozen=True)
class Act:
    """`needed`: whether it is still to be done; asked before it and, where its process died, after the system came to rest."""

    name: str
    do: Callable[[LastingWorld], None]
    needed: Callable[[LastingWorld], bool] = lambda _: True


@dataclass(frozen=True)
class Life:
    """`inline`: how many approved changes at most are promoted in the approver's process."""

    inline: int
    course: tuple[Act | Callable[[LastingWorld], None], ...]
    on_delete: DeletePolicy = "ignore"


def _open(world: LastingWorld) -> bool:
    batch = load_target(world.outside).state.open
    return bool(batch) and world.batch(batch).status is Status.UNDER_REVIEW


def _standing(world: LastingWorld) -> str:
    """The newest promoted batch, where it can be taken back now."""
    state = load_target(world.outside).state
    if state.open or state.applying:
        return ""
    batches = world.documents("penstock_batches").items()
    return max((id for id, b in batches if b["kind"] == "sync" and b["status"] in ("APPLIED", "PARTIALLY_APPLIED")), default="")


def _take_back(world: LastingWorld) -> None:
    _, owed = plan_rollback(world.ctx, _standing(world), "operator@example.org")
    effects.pay(world.ctx, owed)


def _dying_words(pay: Callable[[LastingWorld], None]) -> Callable[[LastingWorld], None]:
    """What was committed stays owed: the process ends before it pays."""

    def do(world: LastingWorld) -> None:
        world.pay = lambda *_: None  # type: ignore[method-assign]
        pay(world)

    return do


def _listen(world: LastingWorld) -> None:
    world.deaf = False
    world.pump()


CAPTURE = Act("capture", lambda world: _captured(world))
CAPTURE_ALL = Act("capture all", lambda world: _captured(world, "full"))
DELIVER = Act("deliver", _listen, lambda world: bool(world.publisher.messages))
APPROVE = Act("approve", lambda world: _nothing(world.approve("approve")), _open)
REFUSE = Act("refuse", lambda world: _nothing(world.decide(Said("reject"))), _open)
TAKE_BACK = Act("take back", _take_back, lambda world: bool(_standing(world)))
SWEEP = Act("sweep", lambda world: _nothing(world.sweep()))
CAPTURE_UNPAID = Act("capture, nothing paid", _dying_words(CAPTURE.do))
APPROVE_UNPAID = Act("approve, nothing paid", _dying_words(APPROVE.do), _open)


def _nothing(_: object) -> None:
    return


def _captured(world: LastingWorld, mode: Mode = "changes") -> None:
    world.pay(capture(world.serving(privileges.CAPTURE), mode).owed, privileges.CAPTURE)


def begin(world: LastingWorld) -> None:
    """Five poles with a drop each: ten changes, creates and updates of records that others own too."""
    net.feed(world, net.network(range(1, 6)))
    world.put(world.production, "planned-poles", [net.standing(1, ponNumber="9"), net.standing(2)])


def _edited(world: LastingWorld) -> None:
    """Somebody edits a record while the batch waits."""
    pole = world.documents("planned-poles")[net.name(2)]
    world.put(world.production, "planned-poles", [(net.name(2), {**pole, "ponNumber": "edited"})])


def _later(world: LastingWorld) -> None:
    world.clock.forward(LATER)


def _lost(world: LastingWorld) -> None:
    """Messages never arrive."""
    for file in world.publisher.messages:
        file.unlink()  # type: ignore[attr-defined]
    _later(world)


def _news(pon: str, day: str) -> Callable[[LastingWorld], None]:
    return lambda world: net.feed(world, net.network(range(2, 7), PONs=pon, day=day))


def _gone(world: LastingWorld) -> None:
    """Two poles and their drops vanish from the source."""
    world.source.commit([Delete(f"{net.SOURCE}/{n}-0") for n in (2, 5)])


_BEGUN = (CAPTURE, DELIVER)
LIVES = {
    "at once": Life(
        500, (CAPTURE, DELIVER, _edited, APPROVE, DELIVER, APPROVE, TAKE_BACK, DELIVER, APPROVE)
    ),
    "by messages": Life(
        0, (CAPTURE, DELIVER, _edited, APPROVE, DELIVER, APPROVE, DELIVER, TAKE_BACK, DELIVER, APPROVE, DELIVER)
    ),
    "refused, superseded": Life(
        500, (*_BEGUN, REFUSE, _news("5", "2026-06-03"), *_BEGUN, _news("6", "2026-06-04"), *_BEGUN, APPROVE)
    ),
    "left to the sweep": Life(
        0, (CAPTURE_UNPAID, _later, SWEEP, _lost, SWEEP, DELIVER, APPROVE_UNPAID, _later, SWEEP, _lost, SWEEP, DELIVER)
    ),
    "gone from the source": Life(
        0,
        (*_BEGUN, APPROVE, DELIVER, _gone, CAPTURE_ALL, DELIVER, APPROVE, DELIVER, TAKE_BACK, DELIVER, APPROVE, DELIVER),
        on_delete="remove",
    ),
}  # fmt: skip
