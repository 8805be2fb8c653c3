"""Errors that a person may meet. Each says what happened, to what, and what to do next."""

from __future__ import annotations


class PenstockError(Exception):
    """`what` happened, to `subject`; `remedy` is the next thing to do. Nothing was changed unless `what` says so."""

    def __init__(self, what: str, *, subject: str = "", remedy: str = "") -> None:
        self.what, self.subject, self.remedy = what, subject, remedy
        super().__init__(" ".join(part for part in (f"{subject}: {what}" if subject else what, remedy) if part))


class InvalidInput(PenstockError):
    """What was given cannot be used: a pipeline file, an option, a form."""


class Refused(PenstockError):
    """Understood, and not allowed now: a policy, a state or a brake stands against it."""


class Denied(PenstockError):
    """The code reached for what its entry point was not granted: a fault, or an attack that found one."""


class NotFound(PenstockError):
    """No such batch, target, change or file."""


class Conflict(PenstockError):
    """A precondition failed: somebody else wrote first. Nothing of the commit was applied, or an earlier attempt of
    the same commit was: the marker tells which."""


class OutcomeUnknown(PenstockError):
    """The answer was lost: the commit may have been applied or not. Read the marker."""


class Unavailable(PenstockError):
    """The service refused before doing anything; the same call may go through later."""


class NoDatabase(PenstockError):
    """The database itself is not there."""


class Incomplete(PenstockError):
    """A read ended early. What was read is not the whole and must not be taken for it."""
