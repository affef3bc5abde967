"""What the database's errors mean to a caller, without its address or password."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from quarterdeck.basics.errors import Unavailable

if TYPE_CHECKING:
    from sqlalchemy.exc import SQLAlchemyError


def as_unavailable(error: SQLAlchemyError) -> Unavailable:
    """The caller may ask again: whether the commit was kept is not known after a lost connection,
    so what must not happen twice carries an idempotency key or a revision."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    told = str(cause).strip().splitlines()[0] if str(cause).strip() else type(cause).__name__
    if "disk is full" in told or "No space left" in told:
        return Unavailable(
            f"the store's disk is full: {told}",
            code="disk_full",
            hint="free some space; running jobs go on meanwhile",
        )
    return Unavailable(f"the store did not answer: {told}", code="store_unavailable", hint="retry")
