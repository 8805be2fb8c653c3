"""What a model has against its input, in words: what is wrong in this place, and what to do."""

from __future__ import annotations

from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from penstock.pipelines.located import Place
from penstock.pipelines.suggest import meant


def explain(error: ErrorDetails, root: type[BaseModel]) -> str:
    """One mistake in the input of the model `root`."""
    match error["type"]:
        case "extra_forbidden":
            known = [f.alias or name for name, f in _model_at(error["loc"][:-1], root).model_fields.items()]
            return f"is not a key here.{meant(error['loc'][-1], known)} Known: {', '.join(known)}."
        case "missing":
            return "is missing. Add it."
        case "value_error":
            return str(error["ctx"]["error"])
        case "string_pattern_mismatch":
            return f"is {error['input']!r}, and must match {error['ctx']['pattern']}."
        case _:
            return f"is {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}."


def _model_at(place: Place, root: type[BaseModel]) -> type[BaseModel]:
    """The model that a place of the input belongs to."""
    here: Any = root
    for part in place:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = next(f.annotation for name, f in here.model_fields.items() if (f.alias or name) == part)
        else:
            here = get_args(here)[-1]  # of dict[str, Model]
        inner = [a for a in get_args(here) if isinstance(a, type) and issubclass(a, BaseModel)]
        if inner and get_origin(here) is not dict:
            here = inner[0]  # of Model | None
    model: type[BaseModel] = here
    return model
