"""People, teams and tokens in memory, for tests and the simulator. Nothing survives it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Stale
from quarterdeck.core.governance.people import Organization, People
from quarterdeck.ports.directory import Contents

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
            assert people is not None, "the first entry is the organization"
            self._people = people.with_entries(tuple(put), tuple(gone))
            for token in tokens:
                self._tokens[token.id] = token
            for token_id in revoked:
                self._tokens.pop(token_id, None)
            self._revision += 1
            return self._revision

    def note_uses(self, uses: Mapping[str, Use]) -> None:
        """Keep when tokens were last used."""
        with self._lock:
            for token_id, use in uses.items():
                token = self._tokens.get(token_id)
                if token is not None:
                    self._tokens[token_id] = replace(
                        token, last_used_at_ns=use.at_ns, last_source=use.source
                    )
