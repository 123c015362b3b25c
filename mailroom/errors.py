"""The errors that cross module borders. One root, so that a caller can tell ours from everybody else's.

A `Refusal` is an answer to whoever asked: it names what is wrong and changes nothing. `mailroom.web` turns each kind
into one HTTP status. The other errors tell of the servers, the settings and the leases.
"""

from __future__ import annotations


class MailroomError(Exception):
    """The root of every error this project raises on purpose."""


class InvalidSetting(MailroomError):
    """A setting is missing, malformed or contradicts another. Raised at start, never later."""


class MissingSecret(MailroomError):
    """A secret's file is not there or is empty."""


class Unavailable(MailroomError):
    """A server we depend on does not answer now. Nothing was decided: ask again later."""


class NotSetUp(MailroomError):
    """An index is missing in MongoDB: set-up was not run."""


class LeaseLost(MailroomError):
    """Another worker holds the lease. Stop, and write nothing more."""


class Refusal(MailroomError):
    """What was asked for is not done, and nothing has changed.

    `code` is stable and for programs, `message` is for people. `field` names the part of the request at fault.
    `retry_after` is the number of seconds after which the same request may succeed.
    """

    def __init__(self, code: str, message: str, *, field: str | None = None, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.code, self.message, self.field, self.retry_after = code, message, field, retry_after


class Invalid(Refusal):
    """A value that was given is wrong."""

    def __init__(self, field: str | None, code: str, message: str) -> None:
        super().__init__(code, message, field=field)


class TooLarge(Refusal):
    """More was given than is taken."""


class NotFound(Refusal):
    """There is nothing with that id or name."""


class Conflict(Refusal):
    """The state of the object does not allow it."""


class Outdated(Refusal):
    """The object has changed since the caller read it."""


class Forbidden(Refusal):
    """The caller may not do this."""


class Busy(Refusal):
    """Too many such requests are being served at once."""
