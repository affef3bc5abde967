"""Every limit at the door that a server can be told; docs/security/limits.md says them in words."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Final

from quarterdeck.basics.errors import Invalid

LIMIT_MAX: Final = 1e9


def _limit(default: float, about: str) -> float:
    return field(default=default, metadata={"about": about})


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """How often, how many at once, and how slowly. All numbers are above zero."""

    requests_per_second: float = _limit(2000, "Requests of one person, over time.")
    requests_burst: float = _limit(4000, "Requests of one person at once.")
    refusals_per_minute: float = _limit(
        60, "Requests without a valid token from one address, over time."
    )
    refusals_burst: float = _limit(100, "Requests without a valid token from one address at once.")
    streams: float = _limit(2000, "Streams and long polls that are open.")
    streams_per_person: float = _limit(500, "Of these, of one person.")
    connections: float = _limit(1000, "Connections that are open.")
    header_seconds: float = _limit(10, "For a request's header to arrive.")
    body_seconds: float = _limit(30, "To wait for a request's body, beside what its rate allows.")
    body_bytes_per_second: float = _limit(65536, "A body that comes more slowly is given up.")
    answer_seconds: float = _limit(60, "For an answer to begin.")
    idle_seconds: float = _limit(15, "Between two requests on a connection.")
    reader_seconds: float = _limit(120, "For a client that reads nothing of an answer.")

    def __post_init__(self) -> None:
        """Refuse what is no number or turns the server off."""
        for one in fields(self):
            value = getattr(self, one.name)
            if not math.isfinite(value) or not 0 < value <= LIMIT_MAX:
                raise Invalid(
                    f"the limit {one.name.replace('_', '-')} is {value:g}",
                    field="limit",
                    hint=f"give a number above 0, and {LIMIT_MAX:g} at most",
                )
