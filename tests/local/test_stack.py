"""The whole stack, with real emulators and real function processes."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cattrs
import psutil
import pytest
from google.cloud.firestore import Client
from google.cloud.pubsub_v1 import PublisherClient
from penstock.core.errors import InvalidInput, NotFound, Refused, Unavailable
from penstock.local import scheduler, stack_table, supervisor
from penstock.local.stack import Service, Stack
from penstock.local.stack_spec import FunctionSpec, ScheduleSpec, StackSpec, TopicSpec
from rich.console import Console

pytestmark = pytest.mark.emulator
SOURCE = Path(__file__).parent / "fixtures" / "main.py"
PROJECT = "demo-stack"


def spec(folder: Path) -> StackSpec:
    return StackSpec(
        project=PROJECT,
        source=SOURCE,
        functions=(
            FunctionSpec("worker", "record", env={"NOTES": str(folder / "notes.jsonl")}),
            FunctionSpec("burier", "record", env={"NOTES": str(folder / "buried.jsonl")}),
            FunctionSpec("review", "surroundings"),
        ),
        topics=(TopicSpec("packs", push_to="worker", dead_letter="dead-letters"), TopicSpec("dead-letters", push_to="burier")),
        schedules=(ScheduleSpec("daily", "0 2 * * *", "Africa/Johannesburg", "worker", '{"run": "daily"}'),),
        env={
            "AUDIENCE": "{audience}",
            "ACCOUNT": "{account}",
            "CERTS": "{certs}",
            "BASE_URL": "{url_review}",
            "SMTP": "{smtp_port}",
        },
        keep=((PROJECT, "(default)"), ("demo-other", "named")),
    )


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("stack")
    with Stack(folder, spec(folder)) as running:
        yield running


def fetch(url: str, body: bytes | None = None) -> Any:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.loads(answer.read())


def notes(stack: Stack, name: str = "notes") -> list[dict[str, str]]:
    path = stack.folder / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def eventually(true: Callable[[], Any], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def gone(pid: int) -> bool:
    """Whether the process has ended; one that nobody has collected yet has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def publish(stack: Stack, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", stack.address("pubsub"))
    publisher = PublisherClient()
    publisher.publish(f"projects/{PROJECT}/topics/packs", text.encode()).result(10)
    publisher.stop()


def test_everything_is_up_under_its_name(stack: Stack) -> None:
    found = {service.name: service for service in stack.services()}
    parts = {"firestore", "pubsub", "storage", "smtp", "mailbox", "scheduler", "certs", "gateway", "worker", "burier", "review"}
    assert set(found) == parts
    assert all(service.healthy for service in found.values())


def test_a_function_gets_the_emulators_and_the_facts_its_environment_names(stack: Stack) -> None:
    env = fetch(stack.url("review"))
    assert env["FIRESTORE_EMULATOR_HOST"] == stack.address("firestore")
    assert env["PUBSUB_EMULATOR_HOST"] == stack.address("pubsub")
    assert env["STORAGE_EMULATOR_HOST"] == f"http://{stack.address('storage')}"
    assert env["BASE_URL"] == env["AUDIENCE"] == stack.url("review")
    assert env["SMTP"] == str(stack.ports["smtp"])
    assert env["K_SERVICE"] == "review"


def test_a_message_is_pushed_to_its_function_with_a_token_that_passes(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(stack, "pack 7", monkeypatch)
    eventually(lambda: {"caller": "invoker@penstock.local", "data": "pack 7", "job": None} in notes(stack))


def test_a_private_function_refuses_a_call_without_a_token(stack: Stack) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        fetch(stack.url("worker"), b"{}")
    with caught.value as answer:
        assert answer.code == 403


def test_a_poisoned_message_ends_in_the_dead_letters_after_its_attempts(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(stack, "poison", monkeypatch)
    eventually(lambda: any(note["data"] == "poison" for note in notes(stack, "buried")), 45)
    assert sum(note["data"] == "poison" for note in notes(stack)) == 5


def test_a_schedule_is_there_and_runs_its_function(stack: Stack) -> None:
    client = scheduler.client(stack.address("scheduler"))
    (job,) = client.list_jobs(parent=f"projects/{PROJECT}/locations/europe-west1")
    assert (job.schedule, job.time_zone) == ("0 2 * * *", "Africa/Johannesburg")
    client.run_job(name=job.name)
    eventually(lambda: {"caller": "invoker@penstock.local", "data": '{"run": "daily"}', "job": "daily"} in notes(stack))
    client.transport.close()


def test_a_killed_function_is_seen_and_comes_back_on_its_port(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    before = fetch(stack.url("review"))["pid"]
    stack.kill("review")
    assert [service.name for service in stack.services() if not service.healthy] == ["review"]
    eventually(lambda: gone(before), 5)
    stack.restart("review")
    assert fetch(stack.url("review"))["pid"] != before


def test_a_message_for_a_function_that_is_down_waits_for_it(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.kill("worker")
    publish(stack, "patience", monkeypatch)
    stack.restart("worker")
    eventually(lambda: any(note["data"] == "patience" for note in notes(stack)))


def test_restarting_what_is_no_function_names_the_functions(stack: Stack) -> None:
    with pytest.raises(NotFound, match="worker, burier, review"):
        stack.restart("wroker")


def test_a_function_that_cannot_start_fails_the_stack_with_its_log_and_leaves_nothing(tmp_path: Path) -> None:
    broken = StackSpec(PROJECT, SOURCE.with_name("broken.py"), (FunctionSpec("worker", "record"),))
    stack = Stack(tmp_path, broken)
    with pytest.raises(Unavailable, match=r"(?s)worker: ended.*the rule file is missing"):
        stack.up()
    assert not any(service.healthy for service in stack.services())


def test_a_topic_for_a_function_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"topic packs: calls the function 'wroker'.*There are: worker"):
        StackSpec(PROJECT, SOURCE, (FunctionSpec("worker", "record"),), topics=(TopicSpec("packs", push_to="wroker"),))


def test_a_variable_that_names_no_fact_is_refused_with_the_facts(tmp_path: Path) -> None:
    stack = Stack(tmp_path, StackSpec(PROJECT, SOURCE, (FunctionSpec("worker", "record", env={"BASE": "{url_review}"}),)))
    with pytest.raises(InvalidInput, match=r"variable BASE: names no fact of this stack.*url_worker"):
        stack.up()


def test_the_description_of_a_stack_survives_json(tmp_path: Path) -> None:
    made = spec(tmp_path)
    assert cattrs.structure(json.loads(json.dumps(cattrs.unstructure(made), default=str)), StackSpec) == made


def test_the_daemon_starts_once_outlives_its_starter_keeps_data_and_ends_only_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "local"
    stranger = subprocess.Popen(["sleep", "600"])
    program = (
        "import sys, json; from pathlib import Path; from penstock.local import supervisor; import test_stack;"
        "f = Path(sys.argv[1]); print(supervisor.up(f, test_stack.spec(f)).supervisor[0])"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    started = subprocess.run([sys.executable, "-c", program, str(folder)], env=env, capture_output=True, text=True, check=True)
    try:
        state = supervisor.read(folder)
        assert state is not None
        assert state.supervisor[0] == int(started.stdout)
        assert supervisor.up(folder, spec(folder)) == state
        assert all(service.healthy for service in supervisor.status(folder))

        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", state.env["FIRESTORE_EMULATOR_HOST"])
        for project, database in spec(folder).keep:
            client = Client(project=project, database=database)
            client.document("shelf/book").set({"title": project})
            client.close()

        claims = supervisor.token(folder, "thandi+1@example.org").split(".")[1]
        signed = json.loads(base64.urlsafe_b64decode(claims + "=="))
        review = next(service.address for service in supervisor.status(folder) if service.name == "review")
        assert (signed["email"], signed["aud"]) == ("thandi+1@example.org", review)
        supervisor.kill(folder, "review")
        assert [service.name for service in supervisor.status(folder) if not service.healthy] == ["review"]
        supervisor.restart(folder, "review")
        assert all(service.healthy for service in supervisor.status(folder))
        with pytest.raises(Unavailable, match="is no function of this stack"):
            supervisor.restart(folder, "nobody")
        pids = [pid for pid, _ in (supervisor.read(folder) or state).processes]
        review = next(service.address for service in state.services if service.name == "review")
    finally:
        assert supervisor.down(folder)
    assert all(gone(pid) for pid in [*pids, state.supervisor[0]])
    assert supervisor.status(folder) == ()
    assert not supervisor.down(folder)
    with pytest.raises(Refused, match="penstock local up"):
        supervisor.restart(folder, "review")
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()

    again = supervisor.up(folder, spec(folder))
    try:
        assert next(service.address for service in again.services if service.name == "review") == review
        for project, database in spec(folder).keep:
            client = Client(project=project, database=database)
            assert client.document("shelf/book").get().to_dict() == {"title": project}
            client.close()
    finally:
        supervisor.down(folder)


@pytest.mark.skipif(sys.platform != "linux", reason="only the Linux kernel ends a child with its parent")
def test_nothing_is_left_when_the_daemon_is_killed_and_it_starts_again(tmp_path: Path) -> None:
    small = StackSpec(PROJECT, SOURCE, (FunctionSpec("review", "surroundings"),))
    first = supervisor.up(tmp_path, small)
    psutil.Process(first.supervisor[0]).kill()
    eventually(lambda: all(gone(pid) for pid, _ in first.processes))
    assert supervisor.read(tmp_path) is None
    second = supervisor.up(tmp_path, small)
    assert all(service.healthy for service in supervisor.status(tmp_path))
    assert second.supervisor != first.supervisor
    supervisor.down(tmp_path)


def test_the_table_shows_what_is_up_where_and_what_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    services = (
        Service("review", "http://127.0.0.1:8080", True, 7, "/x/logs/review.log"),
        Service("worker", "http://127.0.0.1:8081", False, 8, "/x/logs/worker.log"),
    )
    Console(width=100, no_color=True).print(stack_table.table(services))
    shown = capsys.readouterr().out
    assert "review" in shown
    assert "http://127.0.0.1:8080" in shown
    assert [line.split()[1] for line in shown.splitlines() if "worker" in line or "review" in line] == ["up", "down"]
    assert "/x/logs/worker.log" in shown


def test_a_daemon_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = StackSpec(PROJECT, SOURCE.with_name("broken.py"), (FunctionSpec("worker", "record"),))
    with pytest.raises(Unavailable, match=r"(?s)local stack: did not start.*the rule file is missing"):
        supervisor.up(tmp_path / "local", broken)
    assert supervisor.read(tmp_path / "local") is None
