"""People, teams and tokens in the store's database, in tables that its writer never looks at."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa

from quarterdeck.adapters.stores.sql import schema
from quarterdeck.adapters.stores.sql.database import as_unavailable
from quarterdeck.basics.errors import Stale
from quarterdeck.core.governance.people import Invitation, Organization, People, Team, Token, User
from quarterdeck.ports.directory import Contents, token_taken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.engine import Connection

    from quarterdeck.adapters.stores.sql.database import Database
    from quarterdeck.core.governance.people import Entry
    from quarterdeck.ports.directory import Use

_KINDS: Final[dict[str, type[Entry]]] = {
    kind.__name__: kind for kind in (Organization, Team, User, Invitation)
}
_entries: Final[dict[str, msgspec.json.Decoder[Entry]]] = {
    name: msgspec.json.Decoder(kind) for name, kind in _KINDS.items()
}
_tokens: Final = msgspec.json.Decoder(Token)


class SqlDirectory:
    """See the module. Any thread may use it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> Contents:
        """Everything, of one instant."""
        at, of_token = schema.people.c, schema.tokens.c
        with as_unavailable(), self._database.reading() as connection:
            revision = _revision(connection)
            rows = connection.execute(sa.select(at.kind, at.document).order_by(at.id)).all()
            kept = connection.execute(
                sa.select(of_token.document, of_token.used_at_ns, of_token.used_from).order_by(
                    of_token.token_id
                )
            ).all()
        entries = tuple(_entries[kind].decode(document) for kind, document in rows)
        first = next((one for one in entries if isinstance(one, Organization)), None)
        held = None if first is None else People(first).with_entries(entries)
        return Contents(revision, held, tuple(_token(*row) for row in kept))

    def revision(self) -> int:
        """Counts the changes."""
        with as_unavailable(), self._database.connect() as connection:
            return _revision(connection)

    def change(
        self,
        revision: int,
        *,
        put: Sequence[Entry] = (),
        gone: Sequence[str] = (),
        tokens: Sequence[Token] = (),
        revoked: Sequence[str] = (),
    ) -> int:
        """Keep and forget, all or nothing."""
        meta = schema.meta.c
        with as_unavailable(), self._database.writing() as connection:
            held = connection.execute(
                sa.update(schema.meta)
                .where(meta.key == schema.PEOPLE, meta.value == revision)
                .values(value=revision + 1)
            )
            if held.rowcount != 1:
                raise Stale("people have changed meanwhile", hint="look again")
            is_founded = revision > 0 or any(isinstance(entry, Organization) for entry in put)
            assert is_founded, "the first change puts the organization"
            _forget(connection, gone, revoked)
            for entry in put:
                _put(connection, entry)
            for token in tokens:
                _add_token(connection, token)
        return revision + 1

    def note_uses(self, uses: Mapping[str, Use]) -> None:
        """Keep when tokens were last used, all in one commit."""
        if not uses:
            return
        at = schema.tokens.c
        is_later = sa.or_(at.used_at_ns.is_(None), at.used_at_ns <= sa.bindparam("at_ns"))
        query = (
            sa.update(schema.tokens)
            .where(at.token_id == sa.bindparam("of_token"), is_later)
            .values(used_at_ns=sa.bindparam("at_ns"), used_from=sa.bindparam("source"))
        )
        rows = [
            {"of_token": token_id, "at_ns": use.at_ns, "source": use.source}
            for token_id, use in uses.items()
        ]
        with as_unavailable(), self._database.writing() as connection:
            connection.execute(query, rows)


def _revision(connection: Connection) -> int:
    meta = schema.meta.c
    query = sa.select(meta.value).where(meta.key == schema.PEOPLE)
    return int(connection.execute(query).scalar_one())


def _put(connection: Connection, entry: Entry) -> None:
    row = {
        "kind": type(entry).__name__,
        "id": _id(entry),
        "document": msgspec.json.encode(entry).decode(),
    }
    at = schema.people.c
    same = sa.and_(at.kind == row["kind"], at.id == row["id"])
    query = sa.update(schema.people).where(same).values(document=row["document"])
    if connection.execute(query).rowcount == 0:
        connection.execute(sa.insert(schema.people).values(**row))


def _add_token(connection: Connection, token: Token) -> None:
    at = schema.tokens.c
    same = sa.or_(at.token_id == token.id, at.secret_digest == token.secret_digest)
    if connection.execute(sa.select(at.token_id).where(same)).first() is not None:
        raise token_taken(token.id)
    connection.execute(sa.insert(schema.tokens).values(**_token_row(token)))


def _forget(connection: Connection, gone: Sequence[str], revoked: Sequence[str]) -> None:
    at, of_token = schema.people.c, schema.tokens.c
    for invitation_id in gone:
        same = sa.and_(at.kind == Invitation.__name__, at.id == invitation_id)
        connection.execute(sa.delete(schema.people).where(same))
    for token_id in revoked:
        connection.execute(sa.delete(schema.tokens).where(of_token.token_id == token_id))


def _id(entry: Entry) -> str:
    if isinstance(entry, Organization):
        return ""  # there is one
    return entry.id if isinstance(entry, Invitation) else entry.name


def _token_row(token: Token) -> dict[str, object]:
    return {
        "token_id": token.id,
        "secret_digest": token.secret_digest,
        "document": msgspec.json.encode(token).decode(),
        "used_at_ns": token.last_used_at_ns,
        "used_from": token.last_source,
    }


def _token(document: str, used_at_ns: int | None, used_from: str) -> Token:
    kept = _tokens.decode(document)
    return replace(kept, last_used_at_ns=used_at_ns, last_source=used_from)
