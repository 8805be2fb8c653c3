"""Publishing, against the real Pub/Sub emulator and in memory."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from penstock.adapters import pubsub as adapter
from penstock.adapters.memory_services import MemoryPublisher
from penstock.adapters.pubsub import PubSubPublisher
from penstock.core.errors import Unavailable

PROJECT = "demo-penstock"


class Inbox:
    """A topic with one subscription."""

    def __init__(self) -> None:
        from google.cloud import pubsub_v1

        self.topic = f"t-{uuid.uuid4().hex}"
        self._admin: Any = pubsub_v1.PublisherClient()
        self._admin.create_topic(name=f"projects/{PROJECT}/topics/{self.topic}")
        self._subscriber: Any = pubsub_v1.SubscriberClient()
        self._name = f"projects/{PROJECT}/subscriptions/{self.topic}"
        self._subscriber.create_subscription(name=self._name, topic=f"projects/{PROJECT}/topics/{self.topic}")

    def take(self, count: int) -> list[dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        while len(found) < count:
            answer = self._subscriber.pull(subscription=self._name, max_messages=1_000, timeout=20)
            found.update({r.message.message_id: json.loads(r.message.data) for r in answer.received_messages})
            self._subscriber.acknowledge(subscription=self._name, ack_ids=[r.ack_id for r in answer.received_messages])
        return list(found.values())

    def close(self) -> None:
        self._subscriber.close()
        self._admin.transport.close()


@pytest.fixture
def inbox(pubsub_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", pubsub_emulator)
    made = Inbox()
    yield made
    made.close()


@pytest.mark.emulator
def test_every_message_arrives_once_and_whole(inbox: Inbox) -> None:
    messages = [{"batch": "b", "pack": str(n), "note": "é €"} for n in range(1_200)]
    PubSubPublisher(PROJECT).publish(inbox.topic, messages)
    assert sorted(inbox.take(1_200), key=lambda m: int(m["pack"])) == messages


@pytest.mark.emulator
def test_a_full_topic_name_is_taken_as_it_is(inbox: Inbox) -> None:
    PubSubPublisher("another-project").publish(f"projects/{PROJECT}/topics/{inbox.topic}", [{"a": "1"}])
    assert inbox.take(1) == [{"a": "1"}]


@pytest.mark.emulator
def test_a_topic_that_is_not_there_is_named_with_the_remedy(inbox: Inbox) -> None:
    with pytest.raises(Unavailable, match=r"topics/nowhere: .*check that the topic exists"):
        PubSubPublisher(PROJECT).publish("nowhere", [{"a": "1"}])


def test_a_service_that_is_away_is_waited_for_a_while_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    monkeypatch.setattr(adapter, "TIMEOUT_SECONDS", 0.5)
    with pytest.raises(Unavailable, match="safe to repeat"):
        PubSubPublisher(PROJECT).publish("t", [{"a": "1"}])


def test_nothing_to_send_is_no_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "127.0.0.1:9")
    PubSubPublisher(PROJECT).publish("t", [])


def test_in_memory_messages_are_kept_in_order() -> None:
    publisher = MemoryPublisher()
    publisher.publish("a", [{"n": "1"}, {"n": "2"}])
    publisher.publish("b", [{"n": "3"}])
    assert publisher.messages == [("a", {"n": "1"}), ("a", {"n": "2"}), ("b", {"n": "3"})]
