"""Pub/Sub as the `Publisher` port."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from penstock.core.errors import Unavailable

if TYPE_CHECKING:
    from google.cloud.pubsub_v1 import PublisherClient

TIMEOUT_SECONDS = 30.0


class PubSubPublisher:
    """Publishes to topics of one project (a full name, `projects/p/topics/t`, is taken as it is). The client is built on
    first use; PUBSUB_EMULATOR_HOST is understood by the library."""

    def __init__(self, project: str) -> None:
        self.project = project

    @cached_property
    def _client(self) -> PublisherClient:
        from google.api_core import exceptions, retry
        from google.cloud.pubsub_v1 import PublisherClient
        from google.cloud.pubsub_v1.types import BatchSettings, PublisherOptions

        passing = retry.if_exception_type(
            exceptions.Aborted, exceptions.InternalServerError, exceptions.ResourceExhausted, exceptions.ServiceUnavailable
        )
        return PublisherClient(
            batch_settings=BatchSettings(max_messages=500, max_bytes=5_000_000, max_latency=0.005),
            # The library's own patience is ten minutes, longer than the request that waits for it.
            publisher_options=PublisherOptions(retry=retry.Retry(passing, timeout=TIMEOUT_SECONDS), timeout=TIMEOUT_SECONDS),
        )

    def publish(self, topic: str, messages: Sequence[Mapping[str, str]]) -> None:
        """Send all; returns when the service has each of them. `Unavailable`: some may have been sent, send all again."""
        from google.api_core.exceptions import GoogleAPIError

        name = topic if topic.startswith("projects/") else f"projects/{self.project}/topics/{topic}"
        try:
            sent = [self._client.publish(name, json.dumps(dict(message), sort_keys=True).encode()) for message in messages]
            for future in sent:
                future.result(timeout=TIMEOUT_SECONDS * 2)
        except (GoogleAPIError, TimeoutError) as error:
            remedy = "Send all of them again, they are safe to repeat; check that the topic exists and may be published to."
            raise Unavailable(f"Pub/Sub did not take the messages: {error}", subject=name, remedy=remedy) from error
