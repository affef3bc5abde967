"""Every bound on what a job may ask for, in one place, with its unit in its name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds; one instance, `LIMITS`, holds the values in force."""

    name_chars_max: int = 128
    command_arguments_max: int = 4096
    command_bytes_max: int = 128 * 1024
    env_variables_max: int = 1024
    env_bytes_max: int = 128 * 1024
    nodes_max: int = 100_000
    gpus_per_node_max: int = 1024
    cpus_per_node_max: int = 16_384
    ranks_per_node_max: int = 1024
    retries_max: int = 100
    grace_s_max: float = 86_400.0
    story_moves_max: int = 50


LIMITS: Final = Limits()
