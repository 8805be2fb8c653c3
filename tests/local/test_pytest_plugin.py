"""What the plugin promises to somebody else's tests."""

from __future__ import annotations

import pytest
from google.cloud.firestore import Client

pytest_plugins = ("pytester",)

PLUGIN = ("-p", "no:cacheprovider", "-W", "error", "-W", "ignore::DeprecationWarning:google.*")


def test_a_run_that_asks_for_no_fixture_imports_nothing_of_google(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_was_imported(request):
            assert request.config.pluginmanager.hasplugin("penstock-firestore")
            heavy = ("google.api_core", "google.cloud.firestore", "google.protobuf", "grpc", "penstock.local.emulators")
            assert [m for m in sys.modules if m.startswith(heavy)] == []
        """
    )
    pytester.runpytest_subprocess(*PLUGIN).assert_outcomes(passed=1)


@pytest.mark.emulator
def test_each_test_has_a_project_of_its_own_and_one_emulator_serves_the_run(
    pytester: pytest.Pytester, firestore_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_the_shelf_is_empty(firestore_client, firestore_project, firestore_emulator, turn):
            assert firestore_client.project == firestore_project
            assert list(firestore_client.collection("shelf").stream()) == []
            firestore_client.document("shelf/book").set({"turn": turn})
            print("PROJECT", firestore_project, firestore_emulator)

        def test_code_that_makes_its_own_client_lands_in_the_project(firestore_project):
            from google.cloud.firestore import Client
            client = Client()
            assert client.project == firestore_project
            client.document("shelf/book").set({"turn": 3})
            assert client.document("shelf/book").get().exists
            client.close()
        """
    )
    result = pytester.runpytest_subprocess(*PLUGIN, "-s")
    result.assert_outcomes(passed=3)
    seen = [line.split()[-2:] for line in result.outlines if "PROJECT" in line]
    assert len({project for project, _ in seen}) == 2
    assert {address for _, address in seen} == {firestore_emulator}
    for project, _ in seen:
        client = Client(project=project)
        assert not client.document("shelf/book").get().exists, "a project was left behind with its documents"
        client.close()


def test_without_an_emulator_a_test_fails_and_says_what_to_install(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FIRESTORE_EMULATOR_HOST", "PENSTOCK_FIRESTORE_EMULATOR", "FIREBASE_EMULATORS_PATH"):
        monkeypatch.delenv(name, raising=False)
    java = pytester.path / "bin"
    java.mkdir()
    (java / "java").write_text("#!/bin/sh\n")
    (java / "java").chmod(0o755)
    monkeypatch.setenv("PATH", str(java))
    monkeypatch.setenv("HOME", str(pytester.path))
    pytester.makepyfile("def test_it(firestore_client): pass")
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*Firestore emulator: is not on this machine*gcloud components install*"])
