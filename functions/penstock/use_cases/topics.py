"""What is asked for by message: the topics, and the one message that names a pack."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.use_cases.context import Context

CHECK, PROMOTE, CAPTURE = "penstock-check", "penstock-promote", "penstock-capture"


def send_packs(ctx: Context, topic: str, batch: str, numbers: Iterable[int]) -> None:
    ctx.ports.publisher.publish(topic, [{"batch": batch, "pack": str(number)} for number in numbers])
