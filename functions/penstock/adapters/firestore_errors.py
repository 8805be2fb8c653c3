"""What a gRPC status means for us, and how long to keep asking."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import grpc

from penstock.core.errors import Conflict, InvalidInput, NoDatabase, OutcomeUnknown, PenstockError, Unavailable

T = TypeVar("T")
Code = grpc.StatusCode

ATTEMPTS = 6  # of a call; the pauses between them add up to 12 s at most
REFUSED = {Code.ABORTED, Code.RESOURCE_EXHAUSTED}  # the server did nothing
LOST = {Code.UNAVAILABLE, Code.DEADLINE_EXCEEDED, Code.INTERNAL, Code.UNKNOWN, Code.CANCELLED}  # it may have done anything
_PRECONDITION = {Code.FAILED_PRECONDITION, Code.ALREADY_EXISTS, Code.NOT_FOUND}


def pause(attempt: int) -> None:
    """Wait before another attempt: up to 0.4 s after the first, doubling, at random so that rivals do not meet again."""
    time.sleep(random.uniform(0, 0.2 * 2**attempt))  # noqa: S311 - spreads load, guards nothing


def _told(error: grpc.RpcError) -> tuple[grpc.StatusCode, str]:
    return error.code(), " ".join((error.details() or "").split())


def _too_large(error: grpc.RpcError) -> bool:
    """The emulator refuses requests above 4 MiB like this. They will not shrink by waiting."""
    return error.code() is Code.RESOURCE_EXHAUSTED and "maximum size" in (error.details() or "")


def refused(error: grpc.RpcError) -> bool:
    """Nothing was done, and the same call may go through later."""
    return error.code() in REFUSED and not _too_large(error)


def retriable_read(error: grpc.RpcError) -> bool:
    return refused(error) or error.code() in LOST


def read_error(error: grpc.RpcError, subject: str) -> PenstockError:
    code, details = _told(error)
    if retriable_read(error):
        return Unavailable(f"could not be read: {code.name}, {details}", subject=subject, remedy="Try again in a minute.")
    return _final(code, details, subject)


def commit_error(error: grpc.RpcError, subject: str) -> PenstockError:
    code, details = _told(error)
    if (code in _PRECONDITION and not _no_database(code, details)) or _later(code, details):
        return Conflict(f"a precondition did not hold: {details}", subject=subject, remedy="Read again and decide again.")
    if refused(error):
        return Unavailable(f"was refused: {code.name}, {details}", subject=subject, remedy="Try again in a minute.")
    if code in LOST:
        remedy = "Read its marker before anything else."
        return OutcomeUnknown(f"may have been applied or not: {code.name}, {details}", subject=subject, remedy=remedy)
    return _final(code, details, subject)


def _later(code: grpc.StatusCode, details: str) -> bool:
    """The document is older than the precondition says. The emulator takes that for a mistake; it is one of ours or a document
    that was restored, and either way it is not as it was seen."""
    return code is Code.INVALID_ARGUMENT and "base version" in details


def _no_database(code: grpc.StatusCode, details: str) -> bool:
    return code is Code.NOT_FOUND and "database" in details and "does not exist" in details


def _final(code: grpc.StatusCode, details: str, subject: str) -> PenstockError:
    """The errors that trying again does not mend."""
    match code:
        case Code.INVALID_ARGUMENT | Code.OUT_OF_RANGE | Code.RESOURCE_EXHAUSTED:
            return InvalidInput(f"was refused by Firestore: {details}", subject=subject, remedy="Correct what was asked.")
        case Code.PERMISSION_DENIED | Code.UNAUTHENTICATED:
            remedy = "Grant the service account roles/datastore.user (roles/datastore.viewer to read) on this database."
        case Code.NOT_FOUND:
            remedy = "Create the database, or correct the project and database in the settings."
            return NoDatabase(f"{code.name}: {details}", subject=subject, remedy=remedy)
        case Code.FAILED_PRECONDITION:
            remedy = "If an index is missing, deploy firestore.indexes.json; if the read time is too old, start the run again."
        case _:
            remedy = "See Firestore's status page and this project's quotas."
    return PenstockError(f"{code.name}: {details}", subject=subject, remedy=remedy)


def attempt(call: Callable[[], T], again: Callable[[grpc.RpcError], bool], failed: Callable[[grpc.RpcError], PenstockError]) -> T:
    """The answer of `call`, asked at most ATTEMPTS times and while `again` allows; raises what `failed` makes of the error."""
    tries = 0
    while True:
        try:
            return call()
        except grpc.RpcError as error:
            tries += 1
            if tries == ATTEMPTS or not again(error):
                raise failed(error) from error
        pause(tries)
