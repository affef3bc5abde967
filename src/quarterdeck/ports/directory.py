"""Where people, teams and tokens are kept.

All of it is small enough to be read at once. `revision` counts the changes, so that a server that
holds a copy knows when somebody else has made one, and nobody writes over what they have not seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quarterdeck.basics.errors import Conflict
from quarterdeck.core.governance.people import People, Token

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.core.governance.people import Entry


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a directory holds at one revision; no people before the first entry is put."""

    revision: int
    people: People | None
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class Use:
    """When and from where a token was last used."""

    at_ns: int
    source: str


def token_taken(token_id: str) -> Conflict:
    """The answer for a new token whose id or secret another one has."""
    return Conflict(f"there is a token like {token_id} already", hint="make another one")


class Directory(Protocol):
    """See the module. What a method returned from has survived a power cut."""

    def load(self) -> Contents:
        """Everything, of one instant."""
        ...

    def revision(self) -> int:
        """Counts the changes."""
        ...

    def change(
        self,
        revision: int,
        *,
        put: Sequence[Entry] = (),
        gone: Sequence[str] = (),
        tokens: Sequence[Token] = (),
        revoked: Sequence[str] = (),
    ) -> int:
        """Forget these invitations and tokens, by id, and keep these entries and new tokens: all or
        nothing. Answers the new revision; `Stale` unless the directory is at `revision`, `Conflict`
        for a token whose id or secret another one has. The first change puts the organization."""
        ...

    def note_uses(self, uses: Mapping[str, Use]) -> None:
        """Keep when tokens were last used, by id, unless a later use is kept already. Tokens that
        are gone stay gone, and the revision stays as it is."""
        ...


class Secrets(Protocol):
    """Where new credentials come from."""

    def new_id(self, letter: str) -> str:
        """A short name that was not given before."""
        ...

    def new_secret(self, prefix: str) -> str:
        """Text that nobody can guess, beginning with the prefix."""
        ...
