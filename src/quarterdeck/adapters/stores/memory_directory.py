"""People, teams and tokens in memory, for tests and the simulator. Nothing survives it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Stale
from quarterdeck.core.governance.people import Organization, People
from quarterdeck.ports.directory import Contents, token_taken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.core.governance.people import Entry, Token
    from quarterdeck.ports.directory import Use


class MemoryDirectory:
    """See the module."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revision = 0
        self._people: People | None = None
        self._tokens: dict[str, Token] = {}

    def load(self) -> Contents:
        """Everything, of one instant."""
        with self._lock:
            return Contents(self._revision, self._people, tuple(self._tokens.values()))

    def revision(self) -> int:
        """Counts the changes."""
        with self._lock:
            return self._revision

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
        with self._lock:
            if revision != self._revision:
                raise Stale("people have changed meanwhile", hint="look again")
            people = self._people or next(
                (People(one) for one in put if isinstance(one, Organization)), None
            )
            assert people is not None, "the first change puts the organization"
            kept = {key: one for key, one in self._tokens.items() if key not in revoked}
            digests = {one.secret_digest for one in kept.values()}
            for token in tokens:
                if token.id in kept or token.secret_digest in digests:
                    raise token_taken(token.id)
                kept[token.id] = token
                digests.add(token.secret_digest)
            self._people = people.with_entries(tuple(put), tuple(gone))
            self._tokens = kept
            self._revision += 1
            return self._revision

    def note_uses(self, uses: Mapping[str, Use]) -> None:
        """Keep when tokens were last used."""
        with self._lock:
            for token_id, use in uses.items():
                token = self._tokens.get(token_id)
                if token is not None and (token.last_used_at_ns or 0) <= use.at_ns:
                    self._tokens[token_id] = replace(
                        token, last_used_at_ns=use.at_ns, last_source=use.source
                    )
