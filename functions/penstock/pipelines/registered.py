"""A target as operators declare it: a document of a hub's registry, read and checked whole, as a pipeline's file is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StrictBool, ValidationError

from penstock.core import layout
from penstock.core.declaration import Pipeline, Target
from penstock.core.errors import InvalidInput
from penstock.core.values import Data
from penstock.pipelines.explained import explain
from penstock.pipelines.models import Duration, Model, Share, TargetModel


def _address(raw: Any) -> str:
    name, _at, domain = raw.strip().rpartition("@") if isinstance(raw, str) else ("", "", "")
    if not name or not domain or any(c.isspace() for c in raw.strip()):
        raise ValueError("is no address. Write it like `ann@example.org`.")
    return str(raw.strip())


Address = Annotated[str, BeforeValidator(_address)]
Partition = Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,40}$")]  # part of the names of documents and objects
Count = Annotated[int, Field(ge=1, strict=True)]


class BandsModel(Model):
    """Brakes that a target may have otherwise than the pipeline. What is not named stays as it is there; null is off."""

    changed_share: Share = 1.0
    deleted_share: Share = 0.05
    minimum_source: Annotated[int, Field(ge=0, strict=True)] = 0
    shrunken: Share | None = None
    replaced: Share | None = None
    max_operations: Count | None = None
    max_usd: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class TargetDocument(TargetModel):
    """`penstock_registry/{pipeline.target}`. No `approvers`: those of the pipeline's gate decide for this target too."""

    pipeline: str
    target: Annotated[str, Field(pattern="^[a-z][a-z0-9_]{0,39}$")]
    partitions: tuple[Partition, ...] = ()
    approvers: tuple[Address, ...] = ()
    approvals: Count | None = None
    expires: Duration | None = None
    auto_approve: tuple[str, ...] | None = None
    stage: Annotated[str, Field(pattern="^([a-z][a-z0-9_-]{0,39})?$")] = ""
    active: StrictBool = False
    enabled: StrictBool = True
    overrides: BandsModel = BandsModel()
    changed_by: Address
    changed_at: Any


def target_of(pipeline: Pipeline, id: str, data: Data) -> Target:
    """The target that a document declares; `InvalidInput` with every mistake that it holds."""
    try:
        model = TargetDocument.model_validate(data)
    except ValidationError as error:
        found = [(".".join(map(str, e["loc"])), explain(e, TargetDocument)) for e in error.errors()]
        raise _refusal(id, found) from None
    if mistakes := list(_mistakes(pipeline, id, model)):
        raise _refusal(id, mistakes)
    return Target(
        name=model.target,
        project=model.project,
        database=model.database,
        prefix=model.prefix,
        partitions=model.partitions,
        approvers=model.approvers,
        approvals=model.approvals,
        expires=model.expires,
        auto_approve=model.auto_approve,
        stage=model.stage,
        active=model.active,
        enabled=model.enabled,
        brakes=model.overrides.model_dump(include=model.overrides.model_fields_set),
    )


def _mistakes(pipeline: Pipeline, id: str, model: TargetDocument) -> Iterator[tuple[str, str]]:
    if layout.target_id(model.pipeline, model.target) != id:
        yield "target", f"is `{model.target}` of `{model.pipeline}` in a document called `{id}`. Make the two alike."
    shared = pipeline.shared
    if shared and not model.partitions:
        yield "partitions", f"are none. Name at least one of those that the source `{shared.name}` has."
    if not shared and model.partitions:
        yield "partitions", "play no part: no source of this pipeline has any. Remove them."
    for name in model.auto_approve or ():
        if name not in pipeline.harmless:
            known = ", ".join(pipeline.harmless) or "none"
            yield "auto_approve", f"names `{name}`, which is no harmless class of this pipeline. There are: {known}."
    for name in ("partitions", "approvers"):
        listed = getattr(model, name)
        if len(set(listed)) < len(listed):
            yield name, "name one twice. Name each once."
    needed = model.approvals or pipeline.gate.approvals
    if model.approvers and len(model.approvers) < needed:
        yield "approvals", f"are {needed}, and there are {len(model.approvers)} approvers. Name more of them, or ask for fewer."


def _refusal(id: str, mistakes: list[tuple[str, str]]) -> InvalidInput:
    told = "; ".join(f"{place or 'the document'}: {text}" for place, text in mistakes)
    remedy = f"Mend it with `penstock targets set {id}`, or take it out with `penstock targets remove {id}`."
    return InvalidInput(f"is not declared rightly. {told}", subject=id, remedy=remedy)
