"""A local Cloud Scheduler: the service's own gRPC API on the loopback, and jobs that really fire.

`client(address)` is Google's own client for it. Jobs with HTTP targets only. As in the service, a job that is still
running (or being retried) when it is due again is not started a second time."""

from __future__ import annotations

import datetime as dt
import http.client
import threading
import urllib.error
import urllib.request
import zoneinfo
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias

import grpc
from croniter import croniter
from google.cloud.scheduler_v1 import CloudSchedulerClient, types
from google.cloud.scheduler_v1.services.cloud_scheduler.transports.grpc import CloudSchedulerGrpcTransport
from google.protobuf import empty_pb2, field_mask_pb2
from google.rpc import code_pb2, status_pb2

from penstock.local.processes import HOST

SERVICE = "google.cloud.scheduler.v1.CloudScheduler"
State: Any = types.Job.State
Job: TypeAlias = Any  # types.Job: annotated with what goes over the wire, while its attributes are Python's dates and durations
Mint: TypeAlias = Callable[[str, str], str]  # (audience, service account) → OIDC token

_DEFAULT_DEADLINE = dt.timedelta(minutes=3)
_DEFAULT_BACKOFF = (dt.timedelta(seconds=5), dt.timedelta(hours=1), 5)  # shortest, longest, doublings


class Rejected(Exception):
    """What the API answers with a status code other than OK."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def client(address: str) -> CloudSchedulerClient:
    """Google's client, talking to the scheduler at host:port."""
    return CloudSchedulerClient(transport=CloudSchedulerGrpcTransport(channel=grpc.insecure_channel(address)))


def next_time(job: Job, after: dt.datetime) -> dt.datetime:
    """When the job is due next, strictly after `after` (aware), in UTC. ValueError for a schedule or zone that is none."""
    if len(job.schedule.split()) != 5 or not croniter.is_valid(job.schedule):
        raise ValueError(f"the schedule {job.schedule!r} is not cron with five fields")
    try:
        zone = zoneinfo.ZoneInfo(job.time_zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError(f"there is no time zone {job.time_zone!r}") from error
    due: dt.datetime = croniter(job.schedule, after.astimezone(zone)).get_next(dt.datetime)
    return due.astimezone(dt.UTC)


def waits(config: Any) -> Iterator[float]:
    """Seconds before each retry: doubling, then growing by the last step, up to the longest."""
    shortest, longest, doublings = _DEFAULT_BACKOFF
    shortest, longest = config.min_backoff_duration or shortest, config.max_backoff_duration or longest
    doublings = config.max_doublings or doublings
    for retry in range(config.retry_count):
        factor = 2**retry if retry <= doublings else 2**doublings * (retry - doublings + 1)
        yield min(shortest * factor, longest).total_seconds()


class Scheduler:
    """Serves at `address` (host:port) as soon as it is made. `now` is the wall clock; tests move it."""

    def __init__(
        self, mint: Mint | None = None, port: int = 0, now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC)
    ) -> None:
        self._mint, self._now = mint, now
        self._jobs: dict[str, Job] = {}
        self._running: set[str] = set()
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._workers = ThreadPoolExecutor(max_workers=16, thread_name_prefix="scheduler-job")
        self._server = grpc.server(ThreadPoolExecutor(max_workers=4))
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._methods()),))
        self.address = f"{HOST}:{self._server.add_insecure_port(f'{HOST}:{port}')}"
        self._server.start()
        threading.Thread(target=self._watch, name="scheduler", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        self._server.stop(grace=None).wait()
        self._workers.shutdown(wait=False, cancel_futures=True)

    # -- the API

    def _methods(self) -> dict[str, Any]:
        def method(request: Any, response: Any, call: Callable[[Any], Any]) -> Any:
            def answer(message: Any, context: grpc.ServicerContext) -> Any:
                try:
                    with self._changed:
                        found = call(message)
                        self._changed.notify_all()
                        return found
                except Rejected as error:
                    context.abort(error.code, error.text)

            return grpc.unary_unary_rpc_method_handler(answer, request.deserialize, response)

        job = types.Job.serialize
        return {
            "CreateJob": method(types.CreateJobRequest, job, self._create),
            "GetJob": method(types.GetJobRequest, job, lambda request: self._find(request.name)),
            "ListJobs": method(types.ListJobsRequest, types.ListJobsResponse.serialize, self._list),
            "UpdateJob": method(types.UpdateJobRequest, job, self._update),
            "DeleteJob": method(types.DeleteJobRequest, empty_pb2.Empty.SerializeToString, self._delete),
            "PauseJob": method(types.PauseJobRequest, job, lambda request: self._switch(request.name, State.PAUSED)),
            "ResumeJob": method(types.ResumeJobRequest, job, lambda request: self._switch(request.name, State.ENABLED)),
            "RunJob": method(types.RunJobRequest, job, self._run),
        }

    def _find(self, name: str) -> Job:
        if name not in self._jobs:
            raise Rejected(grpc.StatusCode.NOT_FOUND, f"Job not found: {name}")
        return self._jobs[name]

    def _checked(self, job: Any) -> Job:
        """The job with its next time; `Rejected` for what the scheduler cannot do."""
        invalid = grpc.StatusCode.INVALID_ARGUMENT
        if "http_target" not in job or not job.http_target.uri.startswith(("http://", "https://")):
            raise Rejected(invalid, "Job.http_target.uri is needed: the local scheduler fires HTTP targets only.")
        try:
            job.schedule_time = next_time(job, self._now())
        except ValueError as error:
            raise Rejected(invalid, f"Job.schedule: {error}") from error
        return job

    def _create(self, request: Any) -> Job:
        job = request.job
        if not job.name.startswith(f"{request.parent}/jobs/"):
            raise Rejected(grpc.StatusCode.INVALID_ARGUMENT, f"Job.name must begin with {request.parent}/jobs/")
        if job.name in self._jobs:
            raise Rejected(grpc.StatusCode.ALREADY_EXISTS, f"Job already exists: {job.name}")
        job.state = State.ENABLED
        self._jobs[job.name] = self._checked(job)
        return job

    def _list(self, request: Any) -> types.ListJobsResponse:
        jobs = [job for name, job in sorted(self._jobs.items()) if name.startswith(f"{request.parent}/jobs/")]
        return types.ListJobsResponse(jobs=jobs)

    def _update(self, request: Any) -> Job:
        old = self._find(request.job.name)
        new: Job = types.Job(request.job)
        if request.update_mask.paths:
            new = types.Job(old)
            mask = field_mask_pb2.FieldMask(paths=request.update_mask.paths)
            mask.MergeMessage(
                types.Job.pb(request.job), types.Job.pb(new), replace_message_field=True, replace_repeated_field=True
            )
        new.state, new.user_update_time = old.state, self._now()
        self._jobs[new.name] = self._checked(new)
        return new

    def _delete(self, request: Any) -> empty_pb2.Empty:
        self._find(request.name)
        del self._jobs[request.name]
        return empty_pb2.Empty()

    def _switch(self, name: str, state: Any) -> Job:
        job = self._find(name)
        if job.state == state:
            raise Rejected(grpc.StatusCode.FAILED_PRECONDITION, f"Job is {state.name} already: {name}")
        job.state = state
        return self._checked(job)

    def _run(self, request: Any) -> Job:
        job = self._find(request.name)
        self._start(job, self._now())
        return job

    # -- firing

    def _watch(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                enabled = [job for job in self._jobs.values() if job.state == State.ENABLED]
                now = self._now()
                for job in enabled:
                    due: Any = job.schedule_time  # read back as a datetime that knows nanoseconds
                    if due <= now:
                        self._start(job, due)
                        job.schedule_time = next_time(job, now)
                soonest = min((job.schedule_time for job in enabled), default=None)
                # At most a second, whatever is due: the clock may be set, or the machine have slept.
                self._changed.wait(1.0 if soonest is None else min(1.0, max(0.0, (soonest - self._now()).total_seconds())))

    def _start(self, job: Any, due: dt.datetime) -> None:
        if job.name not in self._running:
            self._running.add(job.name)
            self._workers.submit(self._fire, types.Job(job), due)

    def _fire(self, job: Any, due: dt.datetime) -> None:
        try:
            done = self._attempt(job, due)
            for wait in waits(job.retry_config):
                if done or self._stopping.wait(wait):
                    break
                done = self._attempt(job, due)
        finally:
            with self._changed:
                self._running.discard(job.name)

    def _attempt(self, job: Any, due: dt.datetime) -> bool:
        """One request, and whether it went well; the outcome is kept on the job, if that still exists."""
        started = self._now()
        code, text = self._send(job, due)
        with self._changed:
            if kept := self._jobs.get(job.name):
                kept.last_attempt_time = started
                kept.status = status_pb2.Status(code=code, message=text)
        return bool(code == code_pb2.OK)

    def _send(self, job: Any, due: dt.datetime) -> tuple[int, str]:
        target = job.http_target
        method = types.HttpMethod(target.http_method or types.HttpMethod.POST).name
        headers = {
            "Content-Type": "application/octet-stream",
            "User-Agent": "Google-Cloud-Scheduler",
            **target.headers,
            "X-CloudScheduler": "true",
            "X-CloudScheduler-JobName": job.name.rpartition("/")[2],
            "X-CloudScheduler-ScheduleTime": due.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
        if self._mint and "oidc_token" in target:
            token = target.oidc_token
            headers["Authorization"] = f"Bearer {self._mint(token.audience or target.uri, token.service_account_email)}"
        body = target.body or (b"" if method in ("POST", "PUT", "PATCH") else None)
        request = urllib.request.Request(target.uri, body, headers, method=method)  # noqa: S310 - http(s), see _checked
        deadline = (job.attempt_deadline or _DEFAULT_DEADLINE).total_seconds()
        try:
            with urllib.request.urlopen(request, timeout=deadline) as response:  # noqa: S310 - as above
                response.read()
            return code_pb2.OK, ""
        except urllib.error.HTTPError as error:
            with error:
                return _code_of(error.code), f"HTTP {error.code}"
        except TimeoutError as error:
            return code_pb2.DEADLINE_EXCEEDED, str(error)
        except (OSError, http.client.HTTPException) as error:
            return code_pb2.UNAVAILABLE, str(error)


def _code_of(status: int) -> int:
    known = {
        400: code_pb2.INVALID_ARGUMENT,
        401: code_pb2.UNAUTHENTICATED,
        403: code_pb2.PERMISSION_DENIED,
        404: code_pb2.NOT_FOUND,
        409: code_pb2.ABORTED,
        429: code_pb2.RESOURCE_EXHAUSTED,
        503: code_pb2.UNAVAILABLE,
        504: code_pb2.DEADLINE_EXCEEDED,
    }
    return int(known.get(status, code_pb2.INTERNAL if status >= 500 else code_pb2.UNKNOWN))
