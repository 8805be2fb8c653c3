"""Storage, Pub/Sub and mail without any service: for tests, the simulation, and the demo where no emulator can be had."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from penstock.core.errors import NotFound
from penstock.ports import Message


@dataclass
class MemoryBlobs:
    """One bucket in a dictionary. `types` keeps each object's content type."""

    objects: dict[str, bytes] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)
    base_url: str = "memory:/"
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def write(self, name: str, content: bytes, content_type: str, *, replace: bool = False) -> bool:
        with self._lock:
            if name in self.objects and not replace:
                return False
            self.objects[name], self.types[name] = bytes(content), content_type
            return True

    def read(self, name: str) -> bytes:
        try:
            return self.objects[name]
        except KeyError:
            raise NotFound("is not in the bucket", subject=name, remedy="Check the name, and the retention period.") from None

    def names(self, prefix: str) -> list[str]:
        with self._lock:
            return sorted(name for name in self.objects if name.startswith(prefix))

    def url(self, name: str) -> str:
        return f"{self.base_url}/{name}"


@dataclass
class MemoryPublisher:
    """Keeps what was published, in order, as (topic, message)."""

    messages: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def publish(self, topic: str, messages: Sequence[Mapping[str, str]]) -> None:
        self.messages.extend((topic, dict(message)) for message in messages)


@dataclass
class MemoryMailer:
    """Keeps what was sent, in order, repeats included: `mailbox` shows what a mail client would."""

    sent: list[Message] = field(default_factory=list)

    def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def mailbox(self) -> list[Message]:
        """Each Message-ID once, as a mailbox shows it."""
        return list({message.id: message for message in self.sent}.values())
