"""Where new names come from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId


class Ids(Protocol):
    """A source of ids that have, to all expectation, not been given before."""

    def new_job_id(self) -> JobId:
        """An id for a new job. The store still refuses one that is taken."""
        ...
