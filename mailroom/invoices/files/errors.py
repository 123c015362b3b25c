"""What can be wrong with a file, and with a row."""

import msgspec

from mailroom.errors import MailroomError


class FileRejected(MailroomError):
    """The whole file is refused, for good: reading it again gives the same answer.

    `code` is stable (docs/importing-codes.md), `message` is for the person who made the file.
    """

    def __init__(self, code: str, message: str, column: str | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.column = column


class RowError(msgspec.Struct, frozen=True):
    """One reason against a row. `column` is None when the row as a whole is at fault."""

    column: str | None
    code: str
    message: str
