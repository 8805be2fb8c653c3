"""A hundred decisions on one batch at the same moment, approvals and refusals mixed, by several people's links, in two instances
of the review service and partly through its page: one decision, one promotion or none, one set of mails, and everybody else
is told.

PENSTOCK_SEED draws other words."""

from __future__ import annotations

import os
import random
import re
import tempfile
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from penstock.core import layout
from penstock.local.emulators import FIRESTORE, started_or_reused
from support import network as net
from support.lasting import LastingWorld, Place
from support.racing import Told, Word, open_instance, race_here
from support.rest import assert_sound, entries

from proofs.proof import Proof

DEFAULT = 10
INSTANCES, DECISIONS, BY_PAGE = 2, 100, 10
PEOPLE = tuple(f"approver-{n}@example.org" for n in range(1, 21))  # five words by each link
LOSERS: dict[str, str] = {  # what they are told: how it is counted
    r"is (APPROVED|REJECTED|APPLYING|APPLIED) and takes no decision: it was decided by \S+@": "told by whom it is decided",
    r"is (APPROVED|REJECTED|APPLYING|APPLIED) already, by \S+@": "told so at the same moment",
    r"This link is used": "told that their link is used",
    r"The code was not checked, because (another try|other tries) went on": "told to try again",
}


class Wrong(AssertionError):
    """What a race came to, and should not have."""


def demand(holds: bool, what: str) -> None:
    if not holds:
        raise Wrong(what)


def prove(count: int = DEFAULT, bug: str = "") -> Proof:
    """`bug` names one to be planted and found (see `simulation.planted`)."""
    drawn, counted, wrong = random.Random(int(os.environ.get("PENSTOCK_SEED", "1"))), Counter[str](), list[str]()
    spawn = get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="races") as name:
        folder = Path(name)
        emulator = started_or_reused(FIRESTORE, folder)
        try:
            together = spawn.Barrier(INSTANCES)
            instances = [
                ProcessPoolExecutor(1, mp_context=spawn, initializer=open_instance, initargs=(together, bug))
                for _ in range(INSTANCES)
            ]
            for number in range(1, count + 1):
                place = Place(folder / f"{folder.name}-{number}", emulator.address, PEOPLE)
                try:
                    counted.update(race(place, instances, drawn))
                except AssertionError as error:
                    wrong.append(f"race {number} of {count}: {error}")
                if len(wrong) == 20:
                    break
            for instance in instances:
                instance.shutdown()
        finally:
            emulator.stop()
    order = ("races", "decisions", "approved", "refused", *dict.fromkeys(LOSERS.values()))
    return Proof({what: counted[what] for what in order if what in order[:4] or counted[what]}, wrong)


def race(place: Place, instances: list[ProcessPoolExecutor], drawn: random.Random) -> Counter[str]:
    """One batch, and everybody at once; gives what is counted of it."""
    world = LastingWorld(place)
    try:
        net.feed(world, net.network(range(1, 3)))
        world.run()
        (batch,) = world.documents(layout.BATCHES)
        links = {person: world.link(person) for person in PEOPLE}
        words = [_word(links, drawn, n) for n in range(DECISIONS)]
        parts = [instance.submit(race_here, place, words[n::INSTANCES]) for n, instance in enumerate(instances)]
        told = [answer for part in parts for answer in part.result()]
        return Counter(races=1, decisions=len(told)) + judge(world, batch, told)
    finally:
        world.clear()
        world.close()


def _word(links: Mapping[str, tuple[str, str]], drawn: random.Random, number: int) -> Word:
    person = PEOPLE[number // INSTANCES % len(PEOPLE)]
    return Word(person, *links[person], drawn.choice(("approve", "reject")), by_page=number < BY_PAGE)


def judge(world: LastingWorld, id: str, told: list[Told]) -> Counter[str]:
    """One decision that all there is agrees on, and a word for everybody else. The sweep has nothing to do: nobody died."""
    won = [answer.word for answer in told if answer.how == "won"]
    demand(len(won) == 1, f"{len(won)} decisions were taken for the first: {[(w.person, w.verdict) for w in won]}")
    counted: Counter[str] = Counter()
    for answer in told:
        if answer.how != "won":
            demand(_how(answer) != "", f"{answer.word.person} was told: {answer.text[:300]}")
            counted[_how(answer)] += 1
    batch = world.batch(id)
    said = [(d.by, d.verdict) for d in batch.decisions]
    demand(said == [(won[0].person, won[0].verdict)], f"the batch holds the decisions {said}, and {won[0]} won")
    steps = [entry["what"] for entry in entries(world)]
    approved = won[0].verdict == "approve"
    rest = ["UNDER_REVIEW → APPROVED", "APPROVED → APPLYING", "APPLYING → APPLIED"] if approved else ["UNDER_REVIEW → REJECTED"]
    demand(steps[-len(rest) :] == rest and len(steps) == 4 + len(rest), f"the audit chain tells {steps}")
    used = [t["recipient"] for t in world.documents(layout.TOKENS).values() if t["state"] != "open"]
    demand(used == [won[0].person], f"the links of {used} are used, and {won[0].person} won")
    assert_sound(world)
    done = Counter(message.to for message in world.mailer.sent if message.subject == "done")
    demand(done == (Counter(PEOPLE) if approved else Counter()), f"that it is done was mailed to {dict(done)}")
    standing = sum(len(world.documents(e.collection)) for e in world.outside.pipeline.entities)
    demand(standing == (batch.total if approved else 0), f"{standing} records stand in production")
    counted["approved" if approved else "refused"] = 1
    return counted


def _how(answer: Told) -> str:
    return next((how for told, how in LOSERS.items() if answer.how == "lost" and re.search(told, answer.text)), "")
