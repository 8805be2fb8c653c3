"""Topics, push subscriptions and schedules of a local stack, made through Google's own clients."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import grpc
from google.cloud.pubsub_v1 import PublisherClient, SubscriberClient
from google.cloud.scheduler_v1 import types
from google.pubsub_v1.services.publisher.transports.grpc import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports.grpc import SubscriberGrpcTransport
from google.pubsub_v1.types import DeadLetterPolicy, PushConfig, Subscription

from penstock.local import scheduler
from penstock.local.stack_spec import StackSpec


def make_topics(pubsub: str, gateway: str, spec: StackSpec) -> None:
    """Every topic, every dead-letter topic, and for each pushed topic the subscription `{topic}-push`."""
    with grpc.insecure_channel(pubsub) as channel:
        publisher = PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        named = dict.fromkeys(name for topic in spec.topics for name in (topic.name, topic.dead_letter) if name)
        for name in named:
            publisher.create_topic(name=f"projects/{spec.project}/topics/{name}")
        for topic in spec.topics:
            if topic.push_to is None:
                continue
            subscription = Subscription(
                name=f"projects/{spec.project}/subscriptions/{topic.name}-push",
                topic=f"projects/{spec.project}/topics/{topic.name}",
                push_config=PushConfig(push_endpoint=f"{gateway}/{topic.name}"),
                ack_deadline_seconds=topic.ack_deadline,
            )
            if topic.dead_letter:
                dead = f"projects/{spec.project}/topics/{topic.dead_letter}"
                subscription.dead_letter_policy = DeadLetterPolicy(
                    dead_letter_topic=dead, max_delivery_attempts=topic.max_attempts
                )
            subscriber.create_subscription(request=subscription)


def make_schedules(address: str, spec: StackSpec, facts: Mapping[str, str]) -> None:
    """Every schedule as a job of the scheduler at `address`."""
    client = scheduler.client(address)
    parent = f"projects/{spec.project}/locations/{spec.location}"
    for schedule in spec.schedules:
        url = facts[f"url_{schedule.function}"]
        target = types.HttpTarget(
            uri=url + schedule.path,
            http_method=types.HttpMethod.POST,
            headers={"Content-Type": "application/json"},
            body=schedule.body.encode(),
            oidc_token=types.OidcToken(service_account_email=spec.account, audience=url),
        )
        job = types.Job(
            name=f"{parent}/jobs/{schedule.name}",
            schedule=schedule.cron,
            time_zone=schedule.time_zone,
            http_target=target,
            retry_config=types.RetryConfig(retry_count=schedule.retries),
            attempt_deadline=timedelta(minutes=30),
        )
        client.create_job(parent=parent, job=job)
    client.transport.close()  # type: ignore[no-untyped-call]
