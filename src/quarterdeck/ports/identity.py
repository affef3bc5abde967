"""Who is asking.

An `Identity` turns a credential into a principal. A `Provider` is one source of credentials that
the directory of people does not keep: the file token of a home, tokens that were signed for a
runner, later a sign-in by OpenID Connect.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quarterdeck.core.governance.principal import Principal


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom a provider knows: a user of the directory by name, or a principal that is none."""

    user: str = ""
    principal: Principal | None = None


class Provider(Protocol):
    """One source of credentials."""

    def find_subject(self, credential: str, source: str) -> Subject | None:
        """Whose credential this is when it comes from that address, or None. Takes the same time
        for every wrong credential."""
        ...


class Identity(Protocol):
    """What turns a credential into somebody."""

    def find_principal(self, credential: str, source: str) -> Principal | None:
        """Who shows this credential from that address, or None."""
        ...
