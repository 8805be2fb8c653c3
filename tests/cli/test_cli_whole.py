"""The command line as a whole: its errors, its exit codes, its JSON, its environment."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from penstock.cli import output
from penstock.cli.app import App
from penstock.cli.command import Command, Group
from penstock.cli.main import cli
from penstock.local import supervisor
from penstock.pipelines.schema import FOLDER
from penstock.use_cases import listing
from support.world import World
from terminal import KINDS, Terminal


def commands(group: Group, path: str = "") -> dict[str, object]:
    found: dict[str, object] = {}
    for name, command in group.commands.items():
        found |= commands(command, f"{path}{name} ") if isinstance(command, Group) else {f"{path}{name}": command}
    return found


def test_every_command_explains_itself_and_takes_json() -> None:
    for name, command in commands(cli).items():
        assert isinstance(command, Command)
        assert command.help, name
        told = Terminal(None)(*name.split(), "--help")
        assert (told.code, "--json" in told.out) == (0, True)


def test_every_command_that_answers_in_json_has_documented_fields() -> None:
    # An answer like `local status`, one for people, and a document whose fields OpenAPI says.
    assert set(commands(cli)) - set(KINDS) == {"local up", "local demo", "api openapi"}
    for name, kind in KINDS.items():  # dataclasses without a docstring get their signature as one
        assert "`penstock " in kind.__doc__, name
        assert f"{name.split()[-1]}`" in kind.__doc__, name


@pytest.mark.parametrize(
    "words", [["--json", "pipelines", "list"], ["pipelines", "--json", "list"], ["pipelines", "list", "--json"]]
)
def test_json_may_be_asked_for_anywhere(words: list[str]) -> None:
    assert json.loads(Terminal(None)(*words).out)["pipelines"][0]["name"] == "fibre_network"


@pytest.mark.parametrize(
    "words", [["nonsense"], ["show"], ["batches", "--limit", "0"], ["batches", "--status", "BEST"], ["show", "x", "--page", "0"]]
)
def test_a_wrong_command_is_a_usage_error_in_words_and_in_json(world: World, words: list[str]) -> None:
    told = Terminal(world)(*words)
    assert (told.code, told.out) == (2, "")
    assert "Usage: penstock" in told.err
    told = Terminal(world).json(*words)
    assert (told.code, told.answer["error"]["kind"]) == (2, "Usage")


def test_an_error_is_told_on_stderr_without_a_trace(world: World) -> None:
    told = Terminal(world)("show", "nonsense")
    assert (told.code, told.out) == (2, "")
    assert told.err == "'nonsense': is not a batch id\n`penstock batches` lists them.\n"


def test_a_bug_is_told_whole_and_ends_with_the_code_for_failures(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(listing, "batches", broken)
    result = CliRunner().invoke(cli, ["batches", "--json"], obj=App(world.contexts))
    assert result.exit_code == 3
    assert "ZeroDivisionError: a bug" in result.stderr
    assert json.loads(result.stdout)["error"] == {"kind": "ZeroDivisionError", "what": "a bug", "subject": "", "remedy": ""}


def test_ctrl_c_says_that_what_was_begun_goes_on(world: World) -> None:
    def interrupted(_: float) -> None:
        raise KeyboardInterrupt

    app = App(world.contexts, interrupted)
    result = CliRunner().invoke(cli, ["run", "fibre_network", "--as", "ops@example.org"], obj=app)
    assert result.exit_code == 1
    assert "goes on by itself" in result.stderr


def test_what_is_piped_is_neither_cut_nor_coloured(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("name", "count"), [("x" * 300, 1_234)])
    told = capsys.readouterr().out
    assert "x" * 300 in told
    assert "1,234" in told
    assert "\x1b" not in told


def test_a_value_cannot_act_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    output.table(("name",), [("\x1b[31mred [bold]x[/] \u202e",)], "\x1b]0;title\x07")
    output.say("\x1b[2J")
    told = capsys.readouterr().out
    assert "\x1b" not in told
    assert "[bold]x[/]" in told


def test_no_progress_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    with output.progress("Loading", 10) as advance:
        advance(5)
    assert capsys.readouterr() == ("", "")


def test_progress_shows_rate_and_count_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    with output.progress("Loading", 10) as advance:
        advance(5)
        advance(10)
    told = capsys.readouterr()
    assert told.out == ""
    assert "10/10" in told.err


def test_every_mistake_of_a_pipeline_file_is_listed_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "fibre_network.yaml"
    path.write_text((FOLDER / "fibre_network.yaml").read_text().replace("moved:", "move:").replace("schedule:", "scedule:"))
    told = Terminal(None).json("pipelines", "check", str(path))
    (file,) = told.answer["files"]
    assert told.code == 1
    assert {m["place"] for m in file["mistakes"]} >= {"rules.move", "scedule", "schedule"}
    line = next(m["line"] for m in file["mistakes"] if m["place"] == "rules.move")
    assert "move:" in path.read_text().splitlines()[line - 1]
    assert f"line {line}, rules.move" in Terminal(None)("pipelines", "check", str(path)).out


def test_the_pipelines_of_the_bundle_are_right() -> None:
    told = Terminal(None).json("pipelines", "check")
    assert told.code == 0
    assert {file["pipeline"] for file in told.answer["files"]} == {path.stem for path in FOLDER.glob("*.yaml")}


@pytest.mark.parametrize("content", [None, b"\xff", b"- a"], ids=["no file", "no text", "no pipeline"])
def test_a_file_that_is_no_pipeline_is_told_in_words(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    told = Terminal(None).json("pipelines", "check", str(path))
    assert (told.code, told.answer["files"][0]["mistakes"][0]["line"]) == (1, 0)


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a local stack, and an environment that names no deployment."""
    for name in list(os.environ):
        if name.startswith("PENSTOCK_") or name.endswith("EMULATOR_HOST"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PENSTOCK_LOCAL", str(tmp_path))
    return tmp_path


def test_without_deployment_or_local_stack_the_way_to_one_is_told(nowhere: Path) -> None:
    told = Terminal(None).json("status")
    assert (told.code, told.answer["next_steps"]) == (2, ["penstock local up"])


def test_a_local_stack_that_runs_here_is_used_and_named_once(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = supervisor.State((1, 0.0), (), "http://127.0.0.1:1", (), {"PENSTOCK_BUCKET": "of-the-stack"})
    monkeypatch.setattr(supervisor, "read", lambda folder: state)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    told = Terminal(None)("local", "load", __file__, "--collection", "x", PENSTOCK_LOCAL=str(nowhere))
    assert told.err.count("Using the local stack in") == 1
    assert "is not on emulators" in told.err  # this stack's environment named none


def test_a_stack_that_does_not_run_is_told_by_the_exit_code(nowhere: Path) -> None:
    told = Terminal(None).json("local", "status")
    assert (told.code, told.answer["running"], told.answer["next_steps"]) == (1, False, ["penstock local up"])
    assert Terminal(None).json("local", "down").code == 0
    assert "No local stack ran" in Terminal(None)("local", "down").out


def test_the_last_lines_of_a_log_are_shown(nowhere: Path) -> None:
    told = Terminal(None).json("local", "logs")
    assert (told.code, told.answer["next_steps"]) == (2, ["penstock local up"])
    logs = nowhere / "logs"
    logs.mkdir()
    (logs / "capture.log").write_text("".join(f"line {n}\n" for n in range(1_000)))
    (logs / "sweep.log").write_text("swept\n")
    (log,) = Terminal(None).json("local", "logs", "capture", "--lines", "2").answer["logs"]
    assert log["lines"] == ["line 998", "line 999"]
    assert "swept" in Terminal(None)("local", "logs").out
    shutil.rmtree(logs)


def test_the_demo_is_for_people() -> None:
    assert Terminal(None)("local", "demo", "--json").code == 2
