"""The error tree of the house, sorted by whose turn it is.

    QuarterdeckError
    ├── Refused            the caller's turn: the request cannot be served as it stands
    │   ├── Invalid            a value is wrong (field, value, what to do)
    │   ├── NotFound           no such thing, or not one that the asker may see
    │   ├── NotAllowed         known, but this actor may not do it
    │   ├── Conflict           right in itself, wrong in the present state
    │   └── Unsatisfiable      well formed, but no node of the site can ever fit it
    ├── Stale              look again: what the decision was based on has changed
    └── Unavailable        the world's turn: retry later

Each carries a stable `code`, a message with the numbers in it, and a `hint` that says what to do.
Only the API's `problems` module knows HTTP statuses. A bug is an `AssertionError`, never one of
these.
"""

from __future__ import annotations


class QuarterdeckError(Exception):
    """An error with a stable code, a message that names the numbers, and a hint."""

    code = "error"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str = "", field: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.field = field
        if code is not None:
            self.code = code


class Refused(QuarterdeckError):
    """The caller must change something before asking again."""

    code = "refused"


class Invalid(Refused):
    """A value cannot be used; `field` says which one."""

    code = "invalid"


class NotFound(Refused):
    """There is no such thing here, or none that the asker may see."""

    code = "not_found"


class NotAllowed(Refused):
    """The actor is not known or may not do this."""

    code = "not_allowed"


class Conflict(Refused):
    """The request is well formed but does not fit the present state."""

    code = "conflict"


class Unsatisfiable(Refused):
    """The demand can never be met by this site, however long it waits."""

    code = "unsatisfiable"


class Stale(QuarterdeckError):
    """The decision was made on a state that has since changed; look again."""

    code = "stale"


class Unavailable(QuarterdeckError):
    """Something outside did not answer or has no room; retry later. Where it is known after how
    many seconds, `again_in_s` says it."""

    code = "unavailable"
    again_in_s: int | None = None
