"""The bodies of requests and answers. The OpenAPI document is made from these models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic.alias_generators import to_camel

Word = Literal["approve", "reject"]
Id = Annotated[str, Field(min_length=1, max_length=300)]
Name = Annotated[str, Field(min_length=1, max_length=300)]
Moment = Annotated[str | None, Field(description="RFC 3339 in UTC; null: not yet")]
Numbers = dict[str, int]

MOST_IDS = 2_000


class Body(BaseModel):
    """What is sent. A key that is not named here is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, alias_generator=to_camel)


class Answer(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True)


# requests -------------------------------------------------------------------------------------------------------------------


class RunRequest(Body):
    """`changes` since the last run; `full`: everything is compared; `reconcile`: also what is gone is looked for."""

    mode: Literal["changes", "reconcile", "full"] = "changes"


class Decision(Body):
    """One word on a whole batch. `digest` is that of the batch as it was shown. `ids` are external ids; `others` says what
    becomes of all that they do not name, and is needed with them. A blocker needs a word of its own: by `ids`, by `rules` or by
    `masses`. A deactivation that leaves something behind needs one of `choices`: `cascade`, or `reassign:ID` with where it
    moves to."""

    batch: Name
    digest: Name
    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS)] | None = None
    rules: Annotated[dict[Name, Word], Field(max_length=100)] = {}
    masses: Annotated[dict[Name, Word], Field(max_length=100)] = {}
    choices: Annotated[dict[Id, Name], Field(max_length=MOST_IDS)] = {}


class ApproveRequest(Decision):
    others: Literal["reject"] | None = None
    reason: Annotated[str, Field(max_length=2_000)] = ""

    @model_validator(mode="after")
    def _whole(self) -> ApproveRequest:
        if (self.ids is None) != (self.others is None):
            raise ValueError("`ids` and `others` go together: all that is not named is kept as production has it")
        return self


class RejectRequest(Decision):
    others: Literal["approve"] | None = None
    reason: Annotated[str, Field(min_length=1, max_length=2_000)]

    @model_validator(mode="after")
    def _whole(self) -> RejectRequest:
        if (self.ids is None) != (self.others is None):
            raise ValueError("`ids` and `others` go together: all that is not named is approved")
        if self.ids is None and (self.rules or self.masses or self.choices):
            raise ValueError("whoever rejects everything has no further word to say: leave `rules`, `masses` and `choices` out")
        return self


class ApplyRequest(Body):
    """Nothing is to be said: the batch in the path was decided on."""


class RollbackRequest(Body):
    """Nothing said: all of the batch. `ids` are external ids, `fields` dotted. What was edited since is kept, unless
    `overwriteEdits`."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MOST_IDS)] | None = None
    fields: Annotated[list[Name], Field(max_length=100)] = []
    overwrite_edits: bool = False


# answers --------------------------------------------------------------------------------------------------------------------


class Wrong(Answer):
    """A place in what was sent, and what is wrong there."""

    place: str
    what: str


class Problem(Answer):
    """RFC 9457. `detail` says what happened to what, `remedy` what to do next; nothing was changed unless `detail` says so."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    remedy: str
    errors: tuple[Wrong, ...] = ()


class Asked(Answer):
    """A run was sent for. `look` is where to see what becomes of it."""

    tenant: str
    mode: str
    started_by: str
    look: str


class BatchLine(Answer):
    batch: str
    kind: Literal["sync", "followup", "rollback", "hold"]
    status: str
    created_at: Moment
    started_by: str
    opened_at: Moment
    expires_at: Moment
    decided_at: Moment
    finished_at: Moment
    changes: int
    approved: int
    rejected: int
    applied: int
    drifted: int
    error: Annotated[str, Field(description="why it FAILED")]


class StagingStatus(Answer):
    """`packsLeft` of the open or applying batch are still to be checked or promoted."""

    tenant: str
    paused: bool
    running: bool
    open: BatchLine | None
    applying: BatchLine | None
    packs_left: int
    last_run_at: Moment
    last_run_mode: str
    last_run_batch: str


class FindingView(Answer):
    rule: str
    severity: Literal["blocker", "warning", "notice"]
    external_id: Annotated[str, Field(description="empty: about the whole batch")]
    field: str
    text: str
    remedy: str
    table: tuple[tuple[str, str, int], ...]


class FieldView(Answer):
    """A field before and after; null is absence. Types that JSON lacks are objects with one `$` key, such as `$time`."""

    field: str
    before: JsonValue
    after: JsonValue


class ChangeView(Answer):
    """`id` is the tenant's own, the document's. `level`, `step`, `parent` and `path` are null of what is in no tree. `impact`
    counts what stands at the unit and below it, as it was when the batch was checked."""

    external_id: str
    entity: str
    id: str
    action: Literal["CREATE", "UPDATE", "DELETE"]
    status: str
    level: int | None
    step: str | None
    parent: str | None
    path: str | None
    fields: tuple[FieldView, ...]
    findings: tuple[FindingView, ...]
    impact: Numbers | None


class Pending(Answer):
    """What waits for a decision, sorted by level, then by id; `batch` is null where nothing does. `blockers` counts the changes
    that never pass by approving all."""

    batch: BatchLine | None
    digest: str
    approvals: int
    page: int
    pages: int
    blockers: int
    batch_findings: tuple[FindingView, ...]
    changes: tuple[ChangeView, ...]


class RecordView(Answer):
    """A unit as production has it: the fields that the pipeline writes."""

    id: str
    fields: dict[str, JsonValue]


class ImpactView(Answer):
    """What stands at a unit and below it: as it was `shown` with the open batch (null: that has no such numbers), and as it is
    now."""

    external_id: str
    id: str
    shown: Numbers | None
    now: Numbers


class ChangeDetail(Answer):
    """One unit in three views: what is proposed (null: nothing is), production, and impact (null: not in production)."""

    external_id: str
    batch: str
    staging: ChangeView | None
    production: RecordView | None
    impact: ImpactView | None


class DecisionView(Answer):
    by: str
    at: Moment
    verdict: Word
    groups: dict[str, Word]
    changes: dict[str, Word]
    choices: dict[str, str]
    reason: str


class BatchDetail(Answer):
    line: BatchLine
    digest: str
    counts: Numbers
    findings: dict[str, Numbers]
    batch_findings: tuple[FindingView, ...]
    approvals: int
    decisions: tuple[DecisionView, ...]
    supersedes: str
    superseded_by: str
    rolls_back: str
    follows: str
    reports: dict[str, str]
    notes: tuple[str, ...]
    page: int
    pages: int
    changes: tuple[ChangeView, ...]


class Decided(Answer):
    """`missing` is how many more people must approve. `owed`: what could not be sent yet; it is tried again."""

    batch: str
    status: str
    verdict: Word
    approved: int
    rejected: int
    applied: int
    drifted: int
    missing: int
    owed: tuple[str, ...]


class Applied(Answer):
    """`already`: it had been applied before, and nothing was done now."""

    batch: str
    status: str
    already: bool
    done: str
    applied: int
    drifted: int
    packs_left: int


class PreviewField(Answer):
    """A promoted field: as it is now, was promoted, stood before, and would be. `edited`: others wrote it since."""

    field: str
    now: JsonValue
    promoted: JsonValue
    before: JsonValue
    would_be: JsonValue
    edited: bool


class PreviewRecord(Answer):
    """`action` is what a rollback does to it; NONE, and `why`. `later` says who wrote to it since, as far as it is known."""

    external_id: str
    id: str
    action: Literal["CREATE", "UPDATE", "DELETE", "NONE"]
    why: str
    later: str
    fields: tuple[PreviewField, ...]
    others: tuple[str, ...]
    impact: Numbers


class RollbackPreview(Answer):
    """`would` counts the affected records by action; those that were `edited` since lead."""

    batch: str
    would: Numbers
    edited: int
    page: int
    pages: int
    records: tuple[PreviewRecord, ...]


class Proposed(Answer):
    """A rollback is a batch like any other: it is checked, reviewed and approved by somebody else."""

    batch: str
    rolls_back: str
    status: str
    changes: int
    look: str
    owed: tuple[str, ...]


class History(Answer):
    """Newest first."""

    batches: tuple[BatchLine, ...]


AnyBody = type[RunRequest] | type[ApproveRequest] | type[RejectRequest] | type[ApplyRequest] | type[RollbackRequest]
Document = dict[str, Any]
