"""Bookings in the store's database, in a table that its writer never looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa

from quarterdeck.adapters.stores.sql import schema
from quarterdeck.adapters.stores.sql.database import as_unavailable
from quarterdeck.basics.errors import Stale
from quarterdeck.core.calendar.booking import Booking
from quarterdeck.ports.calendar import Contents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

    from quarterdeck.adapters.stores.sql.database import Database

_bookings: Final = msgspec.json.Decoder(Booking)


class SqlCalendar:
    """See the module. Any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> Contents:
        """Everything, of one instant."""
        at = schema.bookings.c
        with as_unavailable(), self._database.reading() as connection:
            revision = _revision(connection)
            rows = connection.execute(sa.select(at.document).order_by(at.booking_id)).all()
        return Contents(revision, tuple(_bookings.decode(document) for (document,) in rows))

    def revision(self) -> int:
        """Counts the changes."""
        with as_unavailable(), self._database.connect() as connection:
            return _revision(connection)

    def change(
        self, revision: int, *, put: Sequence[Booking] = (), gone: Sequence[str] = ()
    ) -> int:
        """Keep and forget, all or nothing."""
        meta, at = schema.meta.c, schema.bookings.c
        with as_unavailable(), self._database.writing() as connection:
            moved = connection.execute(
                sa.update(schema.meta)
                .where(meta.key == schema.CALENDAR, meta.value == revision)
                .values(value=revision + 1)
            )
            if moved.rowcount != 1:
                raise Stale("the calendar has changed meanwhile", hint="look again")
            for booking_id in (*gone, *(one.id for one in put)):
                connection.execute(sa.delete(schema.bookings).where(at.booking_id == booking_id))
            for one in put:
                row = {"booking_id": one.id, "document": msgspec.json.encode(one).decode()}
                connection.execute(sa.insert(schema.bookings).values(**row))
        return revision + 1


def _revision(connection: Connection) -> int:
    meta = schema.meta.c
    query = sa.select(meta.value).where(meta.key == schema.CALENDAR)
    return int(connection.execute(query).scalar_one())
