"""Webhooks in the store's database, beside its writer.

They have a table of their own that the writer never looks at, so a save is one short transaction
that takes its turn among the writer's. A save that is lost costs a second delivery.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from quarterdeck.adapters.stores.sql.database import as_unavailable
from quarterdeck.adapters.stores.sql.schema import webhooks
from quarterdeck.basics.errors import Conflict
from quarterdeck.ports.hooks import Hook, Progress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.adapters.stores.sql.database import Database

_hooks = msgspec.json.Decoder(Hook)
_progresses = msgspec.json.Decoder(Progress)


class SqlHooks:
    """See the module. Any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, hook: Hook, progress: Progress) -> None:
        """Keep a new one."""
        row = {"hook_id": hook.id, "created_at_ns": hook.created_at_ns, "document": _text(hook)}
        query = sa.insert(webhooks).values(**row, **_columns(progress))
        taken = sa.select(webhooks.c.hook_id).where(webhooks.c.hook_id == hook.id)
        with as_unavailable(), self._database.writing() as connection:
            if connection.execute(taken).first() is not None:
                raise Conflict(f"there is a webhook {hook.id} already", hint="take another id")
            connection.execute(query)

    def list(self) -> list[tuple[Hook, Progress]]:
        """All, oldest first."""
        at = webhooks.c
        query = sa.select(at.document, at.progress).order_by(at.created_at_ns, at.hook_id)
        with as_unavailable(), self._database.reading() as connection:
            rows = connection.execute(query).all()
        return [(_hooks.decode(hook), _progresses.decode(progress)) for hook, progress in rows]

    def remove(self, hook_id: str) -> bool:
        """Forget one."""
        query = sa.delete(webhooks).where(webhooks.c.hook_id == hook_id)
        with as_unavailable(), self._database.writing() as connection:
            return connection.execute(query).rowcount > 0

    def save(self, progresses: Mapping[str, Progress]) -> None:
        """Keep how far these are, all in one commit."""
        at = webhooks.c
        with as_unavailable(), self._database.writing() as connection:
            for hook_id, progress in progresses.items():
                known = sa.and_(at.hook_id == hook_id, at.cursor <= progress.cursor)
                connection.execute(sa.update(webhooks).where(known).values(**_columns(progress)))


def _columns(progress: Progress) -> dict[str, object]:
    return {"cursor": progress.cursor, "progress": _text(progress)}


def _text(value: Hook | Progress) -> str:
    return msgspec.json.encode(value).decode()
