"""The errors that cross module borders. One root, so that a caller can tell ours from everybody else's."""


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
