"""From a credential to somebody: the home's file, a token of the directory, or whatever another
provider knows."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from quarterdeck.control.roster import principal_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.control.roster import Roster
    from quarterdeck.core.governance.principal import Principal
    from quarterdeck.ports.identity import Provider


def digest_of(secret: str) -> str:
    """What is kept of a secret. It has 256 bits of chance, so one round of SHA-256 is enough:
    there is nothing to guess."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


class SignIn:
    """An `Identity` over the roster. Providers are asked for what the directory does not know."""

    def __init__(self, roster: Roster, providers: Sequence[Provider] = ()) -> None:
        self._roster = roster
        self._providers = tuple(providers)

    def find_principal(self, credential: str, source: str) -> Principal | None:
        """Whom the credential stands for when it comes from that address, or None.

        The look is by a digest, so its time says nothing about secrets that are close.
        """
        token = self._roster.find_by_digest(digest_of(credential))
        if token is not None:
            principal = self._roster.find_principal(token)
            if principal is not None:
                self._roster.note_use(token, source)
            return principal
        for provider in self._providers:
            subject = provider.find_subject(credential, source)
            if subject is None:
                continue
            if subject.principal is not None:
                return subject.principal
            user = self._roster.people.users.get(subject.user)
            return principal_of(user, None) if user is not None and user.is_active else None
        return None
