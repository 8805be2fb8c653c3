"""What Terraform makes of the pipelines and of the code, against what the functions make of them."""

from __future__ import annotations

import ast
import datetime as dt
import json
import math
import re
import runpy
from typing import Any

import pytest
from penstock import settings, wiring
from penstock.adapters.confined import SOURCE, Grant
from penstock.core import layout
from penstock.core.declaration import Pipeline
from penstock.entrypoints.privileges import GRANTS
from penstock.pipelines.schema import load_all
from penstock.use_cases import topics
from terraform_locals import INFRA, ROOT, VARIABLES, Infra, blocks

Locals = dict[str, Any]


@pytest.fixture(scope="module")
def pipelines() -> dict[str, Pipeline]:
    return load_all()


def test_terraform_reads_the_pipelines_that_the_functions_load(local: Locals, pipelines: dict[str, Pipeline]) -> None:
    assert pipelines
    assert set(local["pipelines"]) == set(pipelines)
    assert {name: p["name"] for name, p in local["pipelines"].items()} == {name: p.name for name, p in pipelines.items()}


def test_every_pipeline_has_its_schedule(local: Locals, pipelines: dict[str, Pipeline]) -> None:
    captures = [s for s in local["schedules"].values() if s["function"] == "capture"]
    found = [(s["body"], s["cron"], s["time_zone"]) for s in captures]
    every = [({"pipeline": name}, p.schedule, p.time_zone) for name, p in pipelines.items()]
    active = [({"pipeline": name, "active": True}, p.active_schedule, p.time_zone) for name, p in pipelines.items()]
    wanted = [*every, *(one for one in active if one[1])]
    assert len(found) == len(wanted)
    assert all(one in found for one in wanted)


def test_the_sweep_runs_every_few_minutes(local: Locals) -> None:
    sweeps = [s for s in local["schedules"].values() if s["function"] == "sweep"]
    assert [s["cron"] for s in sweeps] == ["*/5 * * * *"]


def test_names_are_ones_that_google_takes(local: Locals) -> None:
    names = [*local["schedules"], *local["topics"], *local["names"].values(), local["bucket"]]
    assert all(re.fullmatch(r"[a-z][a-z0-9-]{1,61}[a-z0-9]", name) for name in names)
    assert all(6 <= len(name) <= 30 for name in local["names"].values())  # a service account's id is the function's name


def test_databases_and_people_are_those_of_the_pipelines(local: Locals, pipelines: dict[str, Pipeline]) -> None:
    sources = [s for p in pipelines.values() for s in p.sources.values()]
    targets = [place for p in pipelines.values() for place in (*p.targets, *filter(None, [p.hub]))]
    assert set(local["source_databases"]) == {f"{s.project}/{s.database}" for s in sources}
    declared = {f"{t.project}/{t.database}" for t in targets}
    assert set(local["target_databases"]) == declared | set(VARIABLES["tenant_databases"])
    assert set(local["project_names"]) == {place.project for place in [*sources, *targets]}
    assert set(local["people_names"]) == {p.gate.approvers for p in pipelines.values()}


def test_prior_images_are_kept_as_long_as_the_pipeline_says(local: Locals, pipelines: dict[str, Pipeline]) -> None:
    day = dt.timedelta(days=1)
    assert local["kept_days"] == {f"{name}.": math.ceil(p.backup_retention / day) for name, p in pipelines.items()}


@pytest.mark.parametrize(("text", "days"), [("365 days", 365), ("1 day", 1), ("2 weeks", 14), ("36 hours", 2), ("30 minutes", 1)])
def test_durations_are_read_as_the_functions_read_them(infra: Infra, text: str, days: int) -> None:
    (source,) = re.findall(r'"\$\{name\}\." => (ceil\(.*\))\n', (INFRA / "pipelines.tf").read_text())
    assert infra.value(source.replace("pipeline.retention.backups", json.dumps(text))) == days


def test_the_functions_deployed_are_those_of_main(local: Locals) -> None:
    tree = ast.parse((ROOT / "functions" / "main.py").read_text())
    defined = {
        target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets if isinstance(target, ast.Name)
    }
    assert set(local["functions"]) == defined == set(local["grants"])


def test_only_the_review_page_is_public(local: Locals) -> None:
    assert {name for name, function in local["functions"].items() if function["public"]} == {"review"}
    (public,) = [block for block in blocks("resource").values() if "allUsers" in block or "allAuthenticatedUsers" in block]
    assert "if function.public }" in public


def test_every_topic_that_the_code_publishes_to_is_pushed_to_its_function(local: Locals) -> None:
    pushed = {topics.CAPTURE: "capture", topics.CHECK: "check", topics.PROMOTE: "promote"}
    assert local["worked_topics"] == pushed
    assert local["topics"] == {**pushed, "penstock-dead": "dead_letter"}


def test_a_call_ends_before_its_caller_gives_up(local: Locals) -> None:
    for name in local["worked_topics"].values():
        if name != "capture":  # it is asked by push for small rechecks, and its lease holds a second call off
            assert local["functions"][name]["seconds"] < 600
    assert all(local["functions"][s["function"]]["seconds"] <= 1800 for s in local["schedules"].values())


@pytest.mark.parametrize("function", ["capture", "check", "promote", "dead_letter", "sweep", "review"])
def test_the_environment_is_what_the_settings_want(local: Locals, function: str) -> None:
    environment = {**local["environment"], "PENSTOCK_AUDIENCE": local["urls"][function]}
    secrets = {"PENSTOCK_KEYS": f"k1:{bytes(range(32)).hex()}", "PENSTOCK_SMTP_PASSWORD": "secret"}
    assert set(local["secrets"]) == set(secrets)
    read = settings.read({**environment, **secrets, "K_REVISION": "1"})
    assert wiring.ports(read).base_url == local["urls"]["review"]
    assert read.audit_bucket == local["audit_bucket"]
    assert read.projects == VARIABLES["projects"]
    assert read.people == {name: tuple(people) for name, people in VARIABLES["people"].items()}
    assert read.audience == local["urls"][function]
    assert read.accounts == {local["caller"]}
    known = {f"PENSTOCK_{name.upper()}" for name in settings.Settings.model_fields}
    stray = {name for name in environment if not name.startswith(("PENSTOCK_PROJECT_", "PENSTOCK_PEOPLE_"))} - known
    assert stray == {"GOOGLE_CLOUD_PROJECT"}


def test_only_what_reads_a_source_may_read_it(local: Locals) -> None:
    assert {entry["function"] for entry in local["source_readers"].values()} == {"capture", "sweep"}
    roles = [block for block in blocks("resource").values() if "datastore.viewer" in block or "datastore.user" in block]
    assert len(roles) == 2
    assert all("databases/${each.value.database}" in block for block in roles)


@pytest.mark.parametrize("grant", GRANTS.values(), ids=lambda grant: grant.name)
def test_an_account_may_do_what_the_code_lets_its_function_do(local: Locals, grant: Grant) -> None:
    granted = local["grants"][grant.name]
    assert granted["source"] == (SOURCE in grant.read)
    assert set(granted["publish"]) == grant.publish
    assert set(granted["write"]) == grant.store - {layout.ANCHORS}
    assert granted["anchor"] == (layout.ANCHORS in grant.store)
    assert set(granted["read"]) == grant.fetch - grant.store


def test_anchors_lie_in_a_bucket_of_their_own_that_functions_can_add_to_and_nobody_can_change(local: Locals) -> None:
    bucket = next(block for block in blocks("resource").values() if "local.audit_bucket" in block)
    assert "retention_policy" in bucket
    assert "is_locked        = var.audit_locked" in bucket
    assert "lifecycle_rule" not in bucket
    roles = [re.findall(r'"(roles/[^"]+)"', b) for b in blocks("resource").values() if "google_storage_bucket.audit.name" in b]
    assert sorted(roles) == [["roles/storage.objectCreator"], ["roles/storage.objectViewer"]]
    paying = {name for name, grant in local["grants"].items() if "backups/" in grant["write"]}
    assert set(local["anchorers"]) == paying
    assert local["audit_bucket"] != local["bucket"]


def test_no_grant_is_broad() -> None:
    text = "\n".join(blocks("resource").values())
    assert not re.findall(r"roles/(owner|editor|viewer|[a-z]+\.(admin|owner))\b", text)


def test_every_database_gets_every_index_and_exemption(local: Locals) -> None:
    declared = json.loads((ROOT / "firestore.indexes.json").read_text())
    databases = len(local["target_databases"])
    assert len(local["firestore_fields"]) == databases * len(declared["fieldOverrides"])
    sources = {source.collection for p in load_all().values() for source in p.sources.values()}
    of_sources = [index for index in declared["indexes"] if index["collectionGroup"] in sources]
    assert len(local["firestore_indexes"]) == databases * (len(declared["indexes"]) - len(of_sources)) + len(of_sources)
    landlord = [i for i in local["firestore_indexes"].values() if i["collection"] == "geography-units"]
    assert [(i["project"], i["database"], [f["fieldPath"] for f in i["fields"]]) for i in landlord] == [
        ("landlord", "(default)", ["country", "updatedAt"])
    ]
    ttl = {(f["collection"], f["field"]) for f in local["firestore_fields"].values() if f["ttl"]}
    assert ttl == {(o["collectionGroup"], o["fieldPath"]) for o in declared["fieldOverrides"] if o.get("ttl")}


def test_a_deployment_that_uses_one_pipeline_needs_neither_projects_nor_people_of_the_others(infra: Infra) -> None:
    fibre = {
        **VARIABLES,
        "pipelines": ["fibre_network"],
        "projects": {"onemap": "demo-onemap", "fibreflow": "demo-fibreflow"},
        "people": {"fibre_approvers": ["ann@example.com"]},
        "tenant_databases": [],
    }
    assert infra.refusal(fibre) == ""
    wanted = "{names = keys(local.pipelines), schedules = keys(local.schedules), only = local.environment.PENSTOCK_ONLY}"
    assert infra.value(wanted, fibre) == {
        "names": ["fibre_network"],
        "schedules": ["penstock-capture-fibre-network", "penstock-sweep"],
        "only": "fibre_network",
    }
    assert "There is no such pipeline: fibre." in infra.refusal({**fibre, "pipelines": ["fibre"]})


def test_the_variables_that_the_readme_shows_are_taken(infra: Infra) -> None:
    shown = re.search(r"```hcl\n(.*?)```", (INFRA / "README.md").read_text(), re.DOTALL)
    assert shown
    lines = (line.partition(" #")[0].strip() for line in shown[1].splitlines())
    assert infra.refusal(infra.value("{" + ", ".join(filter(None, lines)) + "}")) == ""


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("projects", {"onemap": "demo-onemap"}, "without an id here: fibreflow, landlord."),
        ("people", {"fibre_approvers": []}, "Needed: fibre_approvers, geography_approvers."),
        ("smtp", {"host": "h", "from": "f@example.com", "security": "ssl"}, "smtp.security is none, starttls or tls."),
    ],
)
def test_a_missing_setting_is_named_before_anything_is_planned(infra: Infra, name: str, value: object, told: str) -> None:
    assert infra.refusal(VARIABLES) == ""
    assert told in infra.refusal({**VARIABLES, name: value})


def test_the_bundle_deployed_is_the_bundle_tested(local: Locals) -> None:
    tested = runpy.run_path(str(ROOT / "tests" / "bundle" / "bundle.py"))["files"]()
    assert sorted(local["bundle_files"]) == tested


def test_locals_name_no_resource() -> None:
    for place, block in blocks("locals").items():
        assert not re.search(r"\b(google_\w+|data)\.", block), place


def test_every_bucket_is_closed_to_the_public() -> None:
    text = (INFRA / "buckets.tf").read_text()
    buckets = re.findall(r'^resource "google_storage_bucket" .*?^}', text, re.M | re.S)
    assert len(buckets) == text.count('"google_storage_bucket"') > 0
    for bucket in buckets:
        assert re.search(r'public_access_prevention\s*= "enforced"', bucket)
        assert re.search(r"uniform_bucket_level_access\s*= true", bucket)
