"""Ids of GPUs and of parts of them, as grants name them.

A whole GPU goes by its own id, `GPU-…`. A MIG instance is `GPU-…/1g.5gb@3`: its profile, and the
memory slice that it starts at. A share of its time is `GPU-…/25%`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

_PART: Final = re.compile(
    r"(?P<gpu>.+)/(?:(?P<profile>[0-9]g\.[0-9]+gb(?:\+me)?)@(?P<start>[0-7])|(?P<percent>[0-9]{1,2})%)"
)


@dataclass(frozen=True, slots=True)
class Part:
    """One GPU, or a part of one: a slice has a `profile`, a share has less than 100 `percent`."""

    gpu: str
    profile: str = ""
    start: int = 0
    percent: int = 100

    @property
    def is_whole(self) -> bool:
        """Whether it is all of the GPU."""
        return not self.profile and self.percent == 100

    def __str__(self) -> str:
        """The id."""
        if self.profile:
            return f"{self.gpu}/{self.profile}@{self.start}"
        return self.gpu if self.percent == 100 else f"{self.gpu}/{self.percent}%"


@lru_cache(maxsize=65536)
def parse_part(device: str) -> Part:
    """The part that an id names; what is not the id of a part is a whole GPU."""
    match = _PART.fullmatch(device) if "/" in device else None
    if match is None:
        return Part(device)
    if match["percent"]:
        return Part(match["gpu"], percent=int(match["percent"]))
    return Part(match["gpu"], match["profile"], int(match["start"]))


def gpu_of(device: str) -> str:
    """The GPU of which an id names a part, or all."""
    return parse_part(device).gpu if "/" in device else device
