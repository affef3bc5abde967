"""The policy that the scheduler follows now: it may change while the server runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quarterdeck.core.scheduling.snapshot import Policy

USUAL: Final = "usual"
"""The name of the policy of a server that was given none."""


@dataclass(frozen=True, slots=True)
class FollowedPolicy:
    """A policy, what it is called, and since when. `version` names the text that it was written as:
    the same text has the same version, and what nobody wrote has none."""

    policy: Policy
    name: str = USUAL
    version: str = ""
    since_ns: int = 0


class Rules:
    """See the module. Any thread may read, one may change them."""

    def __init__(self, first: FollowedPolicy | None = None) -> None:
        self._now = first or FollowedPolicy(Policy())
        self._refused = ""

    @property
    def now(self) -> FollowedPolicy:
        """What is in force."""
        return self._now

    @property
    def refused(self) -> str:
        """Why what was written last is not in force; empty if it is."""
        return self._refused

    def put(self, given: FollowedPolicy) -> None:
        """From the next plan on."""
        self._now = given
        self._refused = ""

    def refuse(self, why: str) -> None:
        """Leave what is in force."""
        self._refused = why
