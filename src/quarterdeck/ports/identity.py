"""Who is asking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who acts. For now there is one kind: the owner of the home."""

    name: str


class Identity(Protocol):
    """What turns a credential into somebody."""

    def find_actor(self, token: str) -> Actor | None:
        """Who holds this token, or None. Takes the same time for every wrong token."""
        ...
