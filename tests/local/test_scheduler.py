"""The local scheduler is driven by Google's own client and fires real requests."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud.scheduler_v1 import types
from google.protobuf import field_mask_pb2
from penstock.local.http_server import Handler, Server
from penstock.local.scheduler import Scheduler, client, next_time, waits

PARENT = "projects/demo/locations/europe-west1"


class Target:
    """An HTTP endpoint that keeps what it was asked and answers the statuses it was given, then 200."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.statuses: list[int] = []
        self.hold = threading.Event()
        self.hold.set()
        target = self

        class Answers(Handler):
            def do_POST(self) -> None:
                target.requests.append((self.command, {k.lower(): v for k, v in self.headers.items()}, self.body()))
                target.hold.wait(10)
                self.answer(b"", "text/plain", target.statuses.pop(0) if target.statuses else 200)

            do_GET = do_PUT = do_POST

        self.server = Server(Answers)
        self.url = f"{self.server.url}/run"


class Clock:
    """Real time, moved."""

    def __init__(self) -> None:
        self.offset = dt.timedelta()

    def __call__(self) -> dt.datetime:
        return dt.datetime.now(dt.UTC) + self.offset

    def jump_to(self, moment: dt.datetime) -> None:
        self.offset = moment - dt.datetime.now(dt.UTC)


@pytest.fixture
def target() -> Iterator[Target]:
    made = Target()
    yield made
    made.hold.set()
    made.server.stop()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def google(clock: Clock) -> Iterator[Any]:
    scheduler = Scheduler(mint=lambda audience, email: f"token-of-{email}-for-{audience}", now=clock)
    made = client(scheduler.address)
    yield made
    made.transport.close()
    scheduler.stop()


def job(target: Target, **fields: Any) -> types.Job:
    http_target = types.HttpTarget(uri=target.url, body=b'{"pipeline": "fibre"}', headers={"Content-Type": "application/json"})
    defaults = {
        "name": f"{PARENT}/jobs/sync",
        "schedule": "0 2 * * *",
        "time_zone": "Africa/Johannesburg",
        "http_target": http_target,
    }
    return types.Job(**{**defaults, **fields})


def eventually(true: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.01)


def test_a_job_is_created_read_listed_changed_and_deleted(google: Any, target: Target) -> None:
    made = google.create_job(parent=PARENT, job=job(target))
    assert made.state == types.Job.State.ENABLED
    assert google.get_job(name=made.name) == made
    assert [j.name for j in google.list_jobs(parent=PARENT)] == [made.name]
    assert list(google.list_jobs(parent="projects/other/locations/x")) == []
    changed = google.update_job(
        job=types.Job(name=made.name, schedule="0 3 * * *"), update_mask=field_mask_pb2.FieldMask(paths=["schedule"])
    )
    assert (changed.schedule, changed.http_target.body) == ("0 3 * * *", made.http_target.body)
    assert changed.schedule_time - made.schedule_time in (dt.timedelta(hours=1), dt.timedelta(hours=-23))
    google.delete_job(name=made.name)
    with pytest.raises(exceptions.NotFound):
        google.get_job(name=made.name)


def test_it_fires_when_the_time_comes_in_the_jobs_own_zone(google: Any, target: Target, clock: Clock) -> None:
    clock.jump_to(dt.datetime(2025, 6, 28, 23, 59, 59, 500_000, tzinfo=dt.UTC))  # half a second before two in Johannesburg
    made = google.create_job(parent=PARENT, job=job(target))
    assert made.schedule_time == dt.datetime(2025, 6, 29, 0, 0, tzinfo=dt.UTC)
    eventually(lambda: len(target.requests) == 1)
    method, headers, body = target.requests[0]
    assert (method, body) == ("POST", b'{"pipeline": "fibre"}')
    assert headers["x-cloudscheduler"] == "true"
    assert headers["x-cloudscheduler-jobname"] == "sync"
    assert headers["x-cloudscheduler-scheduletime"] == "2025-06-29T00:00:00Z"
    assert headers["content-type"] == "application/json"
    eventually(lambda: google.get_job(name=made.name).last_attempt_time is not None)
    after = google.get_job(name=made.name)
    assert after.schedule_time == dt.datetime(2025, 6, 30, 0, 0, tzinfo=dt.UTC)
    assert after.status.code == 0


def test_a_job_that_asks_for_a_token_carries_one_for_its_account_and_audience(google: Any, target: Target) -> None:
    token = types.OidcToken(service_account_email="runner@demo", audience="https://capture")
    google.create_job(parent=PARENT, job=job(target, http_target=types.HttpTarget(uri=target.url, oidc_token=token)))
    google.run_job(name=f"{PARENT}/jobs/sync")
    eventually(lambda: len(target.requests) == 1)
    assert target.requests[0][1]["authorization"] == "Bearer token-of-runner@demo-for-https://capture"


def test_a_failure_is_retried_with_growing_waits_and_then_kept_as_status(google: Any, target: Target) -> None:
    target.statuses = [503, 500, 503]
    retry = types.RetryConfig(retry_count=2, min_backoff_duration=dt.timedelta(milliseconds=50))
    google.create_job(parent=PARENT, job=job(target, retry_config=retry))
    google.run_job(name=f"{PARENT}/jobs/sync")
    eventually(lambda: len(target.requests) == 3)
    eventually(lambda: google.get_job(name=f"{PARENT}/jobs/sync").status.code == 14)
    assert google.get_job(name=f"{PARENT}/jobs/sync").status.message == "HTTP 503"


def test_a_retry_that_goes_well_ends_the_retries(google: Any, target: Target) -> None:
    target.statuses = [503]
    retry = types.RetryConfig(retry_count=5, min_backoff_duration=dt.timedelta(milliseconds=20))
    google.create_job(parent=PARENT, job=job(target, retry_config=retry))
    google.run_job(name=f"{PARENT}/jobs/sync")
    eventually(lambda: len(target.requests) == 2)
    time.sleep(0.3)
    assert len(target.requests) == 2


def test_a_paused_job_does_not_fire_until_it_is_resumed(google: Any, target: Target, clock: Clock) -> None:
    clock.jump_to(dt.datetime(2025, 6, 28, 23, 59, 59, tzinfo=dt.UTC))
    name = google.create_job(parent=PARENT, job=job(target)).name
    assert google.pause_job(name=name).state == types.Job.State.PAUSED
    with pytest.raises(exceptions.FailedPrecondition):
        google.pause_job(name=name)
    clock.jump_to(dt.datetime(2025, 6, 29, 0, 0, 5, tzinfo=dt.UTC))
    time.sleep(1.5)
    assert target.requests == []
    assert google.resume_job(name=name).schedule_time == dt.datetime(2025, 6, 30, 0, 0, tzinfo=dt.UTC)
    clock.jump_to(dt.datetime(2025, 6, 30, 0, 0, 1, tzinfo=dt.UTC))
    eventually(lambda: len(target.requests) == 1)


def test_a_job_that_still_runs_is_not_started_a_second_time(google: Any, target: Target) -> None:
    target.hold.clear()
    google.create_job(parent=PARENT, job=job(target))
    google.run_job(name=f"{PARENT}/jobs/sync")
    eventually(lambda: len(target.requests) == 1)
    google.run_job(name=f"{PARENT}/jobs/sync")
    time.sleep(0.3)
    assert len(target.requests) == 1


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"schedule": "0 2 * *"}, "cron with five fields"),
        ({"schedule": "0 2 * * * *"}, "cron with five fields"),
        ({"schedule": "0 25 * * *"}, "cron with five fields"),
        ({"time_zone": "Africa/Nowhere"}, "no time zone 'Africa/Nowhere'"),
        ({"http_target": types.HttpTarget()}, "HTTP targets only"),
        ({"name": "projects/other/jobs/x"}, "must begin with"),
    ],
)
def test_a_job_that_cannot_be_is_refused_with_the_reason(google: Any, target: Target, fields: dict[str, Any], said: str) -> None:
    with pytest.raises(exceptions.InvalidArgument, match=said):
        google.create_job(parent=PARENT, job=job(target, **fields))
    assert list(google.list_jobs(parent=PARENT)) == []


def test_a_second_job_of_the_same_name_is_refused(google: Any, target: Target) -> None:
    google.create_job(parent=PARENT, job=job(target))
    with pytest.raises(exceptions.AlreadyExists):
        google.create_job(parent=PARENT, job=job(target))


def test_times_follow_the_zone_through_a_change_of_clocks() -> None:
    berlin = types.Job(schedule="30 8 * * *", time_zone="Europe/Berlin")
    saturday = dt.datetime(2025, 3, 29, 12, 0, tzinfo=dt.UTC)
    assert next_time(berlin, saturday - dt.timedelta(days=1)) == dt.datetime(2025, 3, 29, 7, 30, tzinfo=dt.UTC)
    assert next_time(berlin, saturday) == dt.datetime(2025, 3, 30, 6, 30, tzinfo=dt.UTC)


def test_waits_double_then_grow_evenly_up_to_the_longest() -> None:
    config = types.RetryConfig(
        retry_count=7,
        min_backoff_duration=dt.timedelta(seconds=10),
        max_backoff_duration=dt.timedelta(seconds=300),
        max_doublings=3,
    )
    assert list(waits(config)) == [10, 20, 40, 80, 160, 240, 300]
