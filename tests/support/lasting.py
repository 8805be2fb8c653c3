"""A world that outlives its processes: documents on the Firestore emulator, objects, messages and mails in a folder. Any process
that knows the place sees the same, and what one of them did stays when it is killed."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from penstock import wiring
from penstock.adapters.firestore import FirestoreStores
from penstock.core.declaration import DeletePolicy
from penstock.core.errors import InvalidInput, NotFound, PenstockError, Refused
from penstock.core.values import Timestamp
from penstock.local.embedded import FolderBlobs
from penstock.local.emulators import clear_firestore
from penstock.ports import Message, Ports

from support.faults import PlainPages
from support.world import World


@dataclass(frozen=True)
class Place:
    """Where a world lies. `late` is how many seconds its clock is ahead: leases end and what is overdue is taken up without
    anybody waiting for it."""

    folder: Path
    emulator: str  # host:port
    people: tuple[str, ...] = ()  # the approvers; none: the one that every world has
    late: float = 0
    on_delete: DeletePolicy = "ignore"  # of every entity

    def project(self, name: str) -> str:
        return f"demo-{hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]}-{name}"


class LastingWorld(World):
    """`pump` takes messages from the folder and removes each when it was dealt with: a process that is killed leaves it waiting.
    One that is `deaf` leaves all of them to other processes."""

    def __init__(
        self, place: Place, wrap: Callable[[Ports], Ports] = lambda ports: ports, stores: FirestoreStores | None = None
    ) -> None:
        self.stores = stores or FirestoreStores(place.emulator)
        people = {"fibre_approvers": place.people} if place.people else None
        super().__init__(stores=self.stores, pages=PlainPages(), people=people)
        self.place = place
        self.clock, self.blobs = Later(place.late), Objects(place.folder / "objects")  # type: ignore[assignment]
        self.publisher, self.mailer = Queue(place.folder / "messages"), Mails(place.folder / "mails")  # type: ignore[assignment]
        self.ports = replace(
            self.ports,
            blobs=self.blobs,
            publisher=self.publisher,
            mailer=self.mailer,
            now=self.clock,
            new_id=wiring.new_id,
            project_ids={name: place.project(name) for name in self.ports.project_ids},
        )
        loaded = {
            name: replace(p, entities=tuple(replace(e, on_delete=place.on_delete) for e in p.entities))
            for name, p in self.contexts.pipelines.items()
        }
        self.contexts = wiring.Contexts(wrap(self.ports), loaded)
        self.ctx = self.contexts.all()[0]
        self.outside = wiring.Contexts(self.ports, loaded).all()[0]
        self.patient, self.deaf = True, False

    def pump(self) -> None:
        queue: Queue = self.publisher  # type: ignore[assignment]
        while not self.deaf and (waiting := queue.waiting()):
            for file in waiting:
                topic, message = json.loads(file.read_text())
                try:
                    self.deliver(topic, message)
                except (Refused, NotFound, InvalidInput) as refused:
                    self.refused.append(refused)
                except PenstockError:
                    queue.publish(topic, [message])  # behind the others
                    file.unlink()
                    raise
                file.unlink(missing_ok=True)  # another process may have had it too

    def close(self) -> None:
        self.stores.close()

    def clear(self) -> None:
        """Empty its databases; nobody looks at it any more."""
        for project in self.ports.project_ids.values():
            clear_firestore(self.place.emulator, project)


class Later:
    """The time of day, and so many seconds more."""

    def __init__(self, late: float) -> None:
        self.late = late

    def __call__(self) -> Timestamp:
        return wiring.clock().plus(self.late)

    def forward(self, seconds: float) -> None:
        self.late += seconds


class Objects(FolderBlobs):
    @property
    def objects(self) -> Mapping[str, bytes]:
        return {name: self.read(name) for name in self.names("")}


class Queue:
    """One file for each message, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def publish(self, topic: str, messages: Sequence[Mapping[str, str]]) -> None:
        for message in messages:
            _put(self.folder, json.dumps([topic, dict(message)]))

    def waiting(self) -> list[Path]:
        return sorted(self.folder.glob("*.json"))

    @property
    def messages(self) -> list[Path]:
        return self.waiting()


class Mails:
    """One file for each mail that was handed over, repeats included."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def send(self, message: Message) -> None:
        _put(self.folder, json.dumps(asdict(message)))

    @property
    def sent(self) -> list[Message]:
        return [Message(**json.loads(file.read_text())) for file in sorted(self.folder.glob("*.json"))]

    @property
    def mailbox(self) -> list[Message]:
        """Each Message-ID once, as a mailbox shows it."""
        return list({message.id: message for message in self.sent}.values())


def _put(folder: Path, text: str) -> None:
    """All of it or nothing, whenever this process dies."""
    name = f"{time.time_ns()}-{wiring.new_id()}"
    part = folder / f"{name}.part"
    part.write_text(text)
    part.rename(folder / f"{name}.json")
