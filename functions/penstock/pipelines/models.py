"""What a pipeline file may say, key by key. `schema.py` reads the file and turns these into the engine's own declaration."""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from penstock.core.cost import Prices
from penstock.core.declaration import DeletePolicy, Pick
from penstock.core.values import FieldPath
from penstock.pipelines.suggest import meant

_UNITS = {"minute": 60, "hour": 3_600, "day": 86_400, "week": 604_800}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")  # as Python counts them; cron begins with Sunday
_CRON: tuple[tuple[str, int, int, list[str]], ...] = (
    ("minute", 0, 59, []),
    ("hour", 0, 23, []),
    ("day", 1, 31, []),
    ("month", 1, 12, _MONTHS),
    ("weekday", 0, 7, _DAYS),
)


def _duration(raw: Any) -> dt.timedelta:
    match = re.fullmatch(r"(\d+) (minute|hour|day|week)s?", raw) if isinstance(raw, str) else None
    if match is None:
        raise ValueError("is no duration. Write it like `2 days`, `12 hours` or `30 minutes`.")
    return dt.timedelta(seconds=int(match[1]) * _UNITS[match[2]])


def _often(raw: Any) -> dt.timedelta | None:
    return None if raw == "on demand" else _duration(raw)


def _scalar(raw: Any) -> Any:
    if not isinstance(raw, bool | int | str):
        raise ValueError("is no text, whole number, `true` or `false`. Write one.")
    return raw


def _path(raw: Any) -> FieldPath:
    parts = raw.split(".") if isinstance(raw, str) else raw
    if not isinstance(parts, list) or not parts or not all(isinstance(p, str) and p for p in parts):
        raise ValueError("is no field. Write its name, with dots into maps, or as a list where a name holds a dot itself.")
    return tuple(parts)


def _zone(raw: Any) -> str:
    known = zoneinfo.available_timezones()
    if raw not in known:
        raise ValueError(f"is no time zone.{meant(raw, known)} Write it like `Africa/Johannesburg`.")
    return str(raw)


def _cron(raw: Any) -> str:
    fields = raw.split() if isinstance(raw, str) else []
    if len(fields) != 5:
        raise ValueError("is no schedule. Write five fields: minute, hour, day, month, weekday, like `0 2 * * *`.")
    for text, (name, low, high, names) in zip(fields, _CRON, strict=True):
        for part in text.lower().split(","):
            match = re.fullmatch(r"(?:\*|([a-z]{3}|\d{1,2})(?:-([a-z]{3}|\d{1,2}))?)(?:/([1-9]\d?))?", part)
            ends = [g for g in match.groups()[:2] if g] if match else ["?"]
            numbers = [names.index(e) + low if e in names else int(e) if e.isdigit() else -1 for e in ends]
            if match is None or numbers != sorted(numbers) or not all(low <= n <= high for n in numbers):
                raise ValueError(f"has {text!r} for the {name}, which must lie in {low} to {high}.")
    return str(raw)


def _collection(raw: Any) -> str:
    if not isinstance(raw, str) or len(raw.split("/")) % 2 == 0 or not all(raw.split("/")):
        raise ValueError("is no collection. Write its path without a slash at either end, like `planned-poles`.")
    return raw


def _prefix(raw: Any) -> str:
    if not isinstance(raw, str) or (raw and (len(raw.split("/")) % 2 == 0 or raw[-1] != "/" or not all(raw[:-1].split("/")))):
        raise ValueError("is no prefix. It is the path of one document with a slash behind it, like `tenants/nepal/`.")
    return raw


def _day(raw: Any) -> dt.date:
    if isinstance(raw, dt.date) and not isinstance(raw, dt.datetime):
        return raw
    raise ValueError("is no day. Write it like 2026-12-15.")


def _hours(raw: Any) -> tuple[int, int]:
    match = re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|24:00)", raw) if isinstance(raw, str) else None
    if match is None:
        raise ValueError("is no span of a day. Write it like `16:00-24:00`; one past midnight is two.")
    begins, ends = int(match[1]) * 60 + int(match[2]), int(match[3] or 24) * 60 + int(match[4] or 0)
    if ends <= begins:
        raise ValueError("ends before it begins. Write a span past midnight as two, up to `24:00` and from `00:00`.")
    return begins, ends


def _comparison(raw: Any) -> Any:
    return {"how": raw} if isinstance(raw, str) else raw


Duration = Annotated[dt.timedelta, BeforeValidator(_duration)]
Scalar = Annotated[Any, BeforeValidator(_scalar)]
Path = Annotated[tuple[str, ...], BeforeValidator(_path)]
Zone = Annotated[str, BeforeValidator(_zone)]
Cron = Annotated[str, BeforeValidator(_cron)]
Collection = Annotated[str, BeforeValidator(_collection)]
Prefix = Annotated[str, BeforeValidator(_prefix)]
Day = Annotated[dt.date, BeforeValidator(_day)]
Hours = Annotated[tuple[int, int], BeforeValidator(_hours)]
Share = Annotated[float, Field(ge=0, le=1)]
Price = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Named = Annotated[str, Field(min_length=1)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CursorModel(Model):
    field: Path
    kind: Literal["text", "timestamp"]
    overlap: Duration


class SourceModel(Model):
    project: Named
    database: Named = "(default)"
    collection: Collection
    time_zone: Zone = "UTC"
    nothing: list[str] = [""]
    cursor: CursorModel | None = None
    partition: Path | None = None
    reconcile: Annotated[dt.timedelta | None, BeforeValidator(_often)] = dt.timedelta(days=7)


class CompareModel(Model):
    how: Literal["exact", "folded", "passive", "union", "earliest"] = "exact"
    decimals: Annotated[int, Field(ge=0, le=15)] | None = None
    metres: Annotated[float, Field(gt=0)] | None = None
    partner: Path | None = None


class WhereModel(Model):
    field: Path
    is_: Annotated[list[str], Field(min_length=1, alias="is")]


class FieldModel(Model):
    from_: Path = Field(alias="from")
    convert: str = "text"
    options: dict[str, Any] = {}
    pick: Pick = "latest"
    where: WhereModel | None = None
    compare: Annotated[CompareModel, BeforeValidator(_comparison)] = CompareModel()
    required: bool | None = None
    blank_erases: bool = False
    progress: bool = False


class ParentModel(Model):
    entity: str
    field: Path


class DeactivateModel(Model):
    field: Path
    value: Scalar
    again: Scalar = None


class LevelsModel(Model):
    official: Annotated[int, Field(ge=1, le=20)]
    last: Annotated[int, Field(ge=1, le=20)]


class DependentsModel(Model):
    collection: Collection
    path: Path
    chain: list[Path] = []


class OwnModel(Model):
    field: Path
    value: Scalar


class TreeModel(Model):
    parent: Path
    path: Path
    level: Path
    name: Path | None = None
    own: OwnModel
    levels: LevelsModel
    levels_of: dict[str, LevelsModel] = {}
    code: Path | None = None
    dependents: dict[str, DependentsModel] = {}


class EntityModel(Model):
    source: str
    collection: Collection
    key: Path
    spellings: list[str] | None = None
    group_by: Path | None = None
    parent: ParentModel | None = None
    on_delete: DeletePolicy = "ignore"
    deactivate: DeactivateModel | None = None
    deleted_where: WhereModel | None = None
    tree: TreeModel | None = None
    fields: Annotated[dict[str, FieldModel], Field(min_length=1)]


class TargetModel(Model):
    project: Named
    database: Named = "(default)"
    prefix: Prefix = ""


class HubModel(Model):
    project: Named
    database: Named = "(default)"


class HarmlessModel(Model):
    entity: str
    action: Literal["create", "update"] = "update"
    fields: list[Path] = []


class GateModel(Model):
    approvers: Named
    approvals: Annotated[int, Field(ge=1)] = 1
    expires: Duration = dt.timedelta(days=7)
    operators: Named | None = None
    auto_approve: list[str] = []


class FreezeModel(Model):
    from_: Day | None = Field(None, alias="from")
    to: Day | None = None
    days: Annotated[list[Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]], Field(min_length=1)] | None = None
    hours: Hours | None = None


class BrakesModel(Model):
    changed_share: Share = 1.0
    deleted_share: Share = 0.05
    minimum_source: Annotated[int, Field(ge=0)] = 0
    shrunken: Share | None = 0.3
    replaced: Share | None = 0.3
    older: Duration | None = dt.timedelta(days=7)
    header: Literal["ignore", "mapped", "any"] = "mapped"
    freeze: list[FreezeModel] = []
    max_operations: Annotated[int, Field(ge=1)] | None = None
    max_usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class PricesModel(Model):
    """USD for 100,000."""

    reads: Price = Prices().reads
    writes: Price = Prices().writes
    deletes: Price = Prices().deletes
    messages: Price = Prices().messages


class RetentionModel(Model):
    backups: Duration
    staging: Duration
    rollback_window: Duration


class PipelineModel(Model):
    name: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
    title: Named
    schedule: Cron
    active_schedule: Cron | None = None
    time_zone: Zone
    sources: Annotated[dict[str, SourceModel], Field(min_length=1)]
    entities: Annotated[dict[str, EntityModel], Field(min_length=1)]
    targets: dict[str, TargetModel] = {}
    hub: HubModel | None = None
    api: Annotated[str, Field(pattern="^[a-z][a-z0-9-]{0,39}$")] | None = None
    rules: dict[str, dict[str, Any] | None]
    harmless: dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,39}$")], HarmlessModel] = {}
    gate: GateModel
    brakes: BrakesModel = BrakesModel()
    prices: PricesModel = PricesModel()
    retention: RetentionModel
    readback_share: Share = 0.02
