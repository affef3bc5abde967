"""The port that is this machine's chance."""

from __future__ import annotations

import secrets

from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.basics.signatures import format_secret


class RandomIds:
    """Ids from the system's own source of chance."""

    def new_job_id(self) -> JobId:
        """An id that nobody could have guessed."""
        return JobId(format_id("j", secrets.randbits(45)))


class RandomSecrets:
    """Names and secrets of credentials from the system's own source of chance."""

    def new_id(self, letter: str) -> str:
        """The letter and nine symbols."""
        return format_id(letter, secrets.randbits(45))

    def new_secret(self, prefix: str) -> str:
        """256 bits after the prefix."""
        return prefix + secrets.token_urlsafe(32)


class RandomHookKeys:
    """Names and secrets of webhooks from the system's own source of chance."""

    def new_hook_id(self) -> str:
        """A `w` and nine symbols."""
        return format_id("w", secrets.randbits(45))

    def new_secret(self) -> str:
        """256 bits."""
        return format_secret(secrets.token_bytes(32))
