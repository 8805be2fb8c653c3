"""What the local stack runs, of what the pipelines declare."""

from __future__ import annotations

import json
from pathlib import Path

from penstock.local import functions
from penstock.pipelines.schema import load_all


def test_every_schedule_of_a_pipeline_is_fired_locally_too(tmp_path: Path) -> None:
    spec = functions.spec(tmp_path)
    found = {(s.cron, s.time_zone, s.body) for s in spec.schedules if s.function == "capture"}
    wanted = set()
    for name, p in load_all().items():
        wanted.add((p.schedule, p.time_zone, json.dumps({"pipeline": name})))
        if p.active_schedule:
            wanted.add((p.active_schedule, p.time_zone, json.dumps({"pipeline": name, "active": True})))
    assert found == wanted
    assert len({s.name for s in spec.schedules}) == len(spec.schedules)


def test_a_hub_is_a_database_of_the_stack(tmp_path: Path) -> None:
    spec = functions.spec(tmp_path)
    for pipeline in load_all().values():
        if pipeline.hub:
            project = functions.project_of(pipeline.hub.project)
            assert (project, pipeline.hub.database) in spec.keep
            assert spec.env[f"PENSTOCK_PROJECT_{pipeline.hub.project.upper()}"] == project
