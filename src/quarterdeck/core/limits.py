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
    roles_max: int = 16
    gpus_per_node_max: int = 1024
    cpus_per_node_max: int = 16_384
    ranks_per_node_max: int = 1024
    retries_max: int = 100
    grace_s_max: float = 86_400.0
    array_tasks_max: int = 10_000
    array_ends_kept_max: int = 20
    needs_max: int = 1000
    tags_max: int = 64
    tag_chars_max: int = 128
    time_limit_s_max: float = 366 * 86_400.0
    backoff_s_max: float = 86_400.0
    path_bytes_max: int = 4096
    file_name_bytes_max: int = 255
    notes_max: int = 100
    note_chars_max: int = 4000
    batch_jobs_max: int = 20_000
    story_moves_max: int = 50


LIMITS: Final = Limits()
