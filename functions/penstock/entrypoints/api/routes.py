"""The table of operations. Requests are led by it, and the OpenAPI document is made from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from penstock.entrypoints.api import models, operations
from penstock.entrypoints.api.operations import Call

MOST = 10**6


@dataclass(frozen=True, slots=True)
class Parameter:
    """A query parameter: a whole number from 1 to `most`, or where `most` is 0, true or false."""

    name: str
    default: int | bool
    most: int
    says: str


@dataclass(frozen=True, slots=True)
class Route:
    """`path` lies below `/tenants/{tenant}/{api}/`. `problems`: statuses that this one may answer with beside those of all.
    `decides`: for approvers alone, not for operators."""

    method: Literal["GET", "POST"]
    path: str
    name: str
    says: str
    do: Callable[[Call], models.Answer]
    answer: type[models.Answer]
    status: int = 200
    body: type[models.Body] | None = None
    query: tuple[Parameter, ...] = ()
    problems: tuple[int, ...] = ()
    decides: bool = False

    @property
    def parts(self) -> list[str]:
        return self.path.split("/")

    @property
    def statuses(self) -> tuple[int, ...]:
        """Every status that it may answer with, but for faults of our own (500)."""
        common = (401, 403, 422, 503) if self.method == "GET" else (401, 403, 409, 411, 413, 415, 422, 503)
        return tuple(sorted({self.status, *common, *self.problems}))

    def args(self, parts: list[str]) -> dict[str, str] | None:
        """What the path's names stand for, None where it is another path."""
        if len(parts) != len(self.parts):
            return None
        pairs = list(zip(self.parts, parts, strict=True))
        if any(mine != theirs for mine, theirs in pairs if not mine.startswith("{")):
            return None
        return {mine[1:-1]: theirs for mine, theirs in pairs if mine.startswith("{")}


PAGE = Parameter("page", 1, MOST, "of 50 a page, from 1; beyond the last: the last")
LIMIT = Parameter("limit", 20, 100, "how many, newest first")
OVERWRITE = Parameter("overwriteEdits", False, 0, "as if what was edited since were to be lost")

ROUTES = (
    Route("POST", "staging", "ask", "Send for a run of this tenant", operations.ask, models.Asked, 202, models.RunRequest),
    Route("GET", "staging-status", "status", "How the tenant stands", operations.status, models.StagingStatus),
    Route("GET", "pending", "pending", "What waits for a decision", operations.pending, models.Pending, query=(PAGE,)),
    Route("GET", "change/{externalId}", "change", "One unit: proposed, in production, and what it touches",
          operations.change, models.ChangeDetail, problems=(404,)),
    Route("GET", "impact/{externalId}", "impact", "What stands at a unit of production and below it, as shown and now",
          operations.impact_of, models.ImpactView, problems=(404,)),
    Route("POST", "approve", "approve", "Approve the batch, or some of it", operations.approve, models.Decided,
          body=models.ApproveRequest, problems=(404, 412), decides=True),
    Route("POST", "reject", "reject", "Reject the batch, or some of it", operations.reject, models.Decided,
          body=models.RejectRequest, problems=(404, 412), decides=True),
    Route("POST", "apply-batch/{batch}", "apply", "Go on with the promotion of an approved batch", operations.apply,
          models.Applied, body=models.ApplyRequest, problems=(404,)),
    Route("GET", "rollback-preview/{batch}", "rollbackPreview", "What taking a batch back would do; nothing is proposed",
          operations.rollback_preview, models.RollbackPreview, query=(PAGE, OVERWRITE), problems=(404, 409)),
    Route("POST", "rollback/{batch}", "rollback", "Propose to take a batch back", operations.rollback, models.Proposed, 201,
          models.RollbackRequest, problems=(404,)),
    Route("GET", "history", "history", "The tenant's batches", operations.history, models.History, query=(LIMIT,)),
    Route("GET", "batch/{batch}", "batch", "One batch with its changes", operations.batch, models.BatchDetail, query=(PAGE,),
          problems=(404,)),
)  # fmt: skip
