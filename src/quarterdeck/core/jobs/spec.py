"""What a job asks for, and the checks that make a spec that exists a spec that is right."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import SPAN_S_MAX, format_span
from quarterdeck.core.cluster.demand import Demand, Level, Resources
from quarterdeck.core.jobs.array import Array
from quarterdeck.core.jobs.image import check_image
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.roles import MAIN, Role, variable_part
from quarterdeck.core.limits import LIMITS

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*", re.ASCII)
ROLE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,31}", re.ASCII)
ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
BACKOFF_S_MAX: Final = 600.0
"""No attempt waits longer than this for its turn to be tried again."""

STOP_SIGNALS: Final = ("TERM", "INT", "HUP", "USR1", "USR2", "QUIT")


class Priority(StrEnum):
    """Named classes; raw integers sort in opposite directions in different systems."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"

    @property
    def rank(self) -> int:
        """Larger goes first."""
        return _PRIORITY_RANK[self]


_PRIORITY_RANK: Final = {Priority.LOW: -1, Priority.NORMAL: 0, Priority.HIGH: 1}


@dataclass(frozen=True, slots=True)
class Retry:
    """How often, and after which ends, an attempt is followed by another one.

    After what the command or the node did wrong the next attempt waits: `backoff_s`, then twice as
    long each time, up to `BACKOFF_S_MAX`. What was no fault (a time limit) is not waited for.
    """

    limit: int = 0
    on: tuple[Reason, ...] = (Reason.NODE_FAILURE,)
    backoff_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Stopping:
    """How a running attempt is asked to stop: a signal, then time, then the kill."""

    signal: str = "TERM"
    grace_s: float = 30.0


@dataclass(frozen=True, slots=True)
class JobSpec:
    """Everything a person asked for.

    `snapshot` is the digest of the work folder's manifest. `checkpoint_path` is a folder of the
    work folder that is kept between attempts; without it only `$QD_CHECKPOINT` is. `roles` are
    what runs on the nodes of `demand.beside`, in that order. A job that `is_preemptible` may have
    to make room for others once an attempt has run for `min_runtime_s`. It runs in its `image`; one
    that `is_isolated` has a file system of its own without an image, too.
    """

    command: tuple[str, ...]
    name: str = "job"
    team: str = "default"
    env: tuple[tuple[str, str], ...] = ()
    demand: Demand = field(default_factory=Demand)
    ranks_per_node: int = 1
    snapshot: str | None = None
    priority: Priority = Priority.NORMAL
    retry: Retry = field(default_factory=Retry)
    stopping: Stopping = field(default_factory=Stopping)
    checkpoint_path: str | None = None
    time_limit_s: float | None = None
    is_preemptible: bool = True
    min_runtime_s: float = 0.0
    needs: tuple[JobId, ...] = ()
    array: Array | None = None
    roles: tuple[Role, ...] = ()
    tags: tuple[tuple[str, str], ...] = ()
    image: str | None = None
    is_isolated: bool = False

    def __post_init__(self) -> None:
        """Refuse what no engine could run."""
        _check_names(self)
        _check_command(self.command)
        _check_env(self.env)
        _check_demand(self.demand)
        _check_roles(self)
        _check_range("ranks_per_node", self.ranks_per_node, 1, LIMITS.ranks_per_node_max)
        _check_range("retry.limit", self.retry.limit, 0, LIMITS.retries_max)
        _check_span("retry.backoff", self.retry.backoff_s, 0, LIMITS.backoff_s_max)
        _check_span("checkpoint.grace", self.stopping.grace_s, 0, LIMITS.grace_s_max)
        if self.time_limit_s is not None:
            _check_span("time_limit", self.time_limit_s, 1, LIMITS.time_limit_s_max)
        _check_span("min_runtime", self.min_runtime_s, 0, LIMITS.time_limit_s_max)
        _check_checkpoint_path(self.checkpoint_path)
        _check_needs(self.needs)
        _check_tags(self.tags)
        if self.image is not None:
            check_image(self.image)
        if self.stopping.signal not in STOP_SIGNALS:
            raise Invalid(
                f"checkpoint.signal is {self.stopping.signal!r}",
                field="checkpoint.signal",
                hint=f"use one of {', '.join(STOP_SIGNALS)}",
            )
        if self.snapshot is not None and _DIGEST.fullmatch(self.snapshot) is None:
            raise Invalid(
                f"snapshot is {self.snapshot!r}, not a SHA-256 digest",
                field="snapshot",
                hint="upload the work folder first and use the digest that the server returned",
            )


def _check_names(spec: JobSpec) -> None:
    named = [("name", spec.name), ("team", spec.team)]
    if spec.demand.site is not None:
        named.append(("site", spec.demand.site))
    for name, value in named:
        if len(value) > LIMITS.name_chars_max or NAME.fullmatch(value) is None:
            raise Invalid(
                f"{name} is {_shown(value)}",
                field=name,
                hint=f"use up to {LIMITS.name_chars_max} letters, digits, '.', '_' or '-', "
                "starting with a letter or digit",
            )


def _check_command(command: tuple[str, ...], field: str = "run") -> None:
    if not command or not command[0]:
        raise Invalid(
            "the job has no command" if field == "run" else f"{field} has no command",
            field=field,
            hint="say what to run, for example run: python train.py",
        )
    size = sum(_count_bytes(part, field) + 1 for part in command)
    if len(command) > LIMITS.command_arguments_max or size > LIMITS.command_bytes_max:
        raise Invalid(
            f"the command has {len(command)} arguments and {size} bytes; "
            f"at most {LIMITS.command_arguments_max} and {LIMITS.command_bytes_max}",
            field=field,
            hint="put it into a script in the work folder",
        )
    if any("\0" in part for part in command):
        raise Invalid("the command contains a NUL byte", field=field, hint="remove it")


def _check_env(env: tuple[tuple[str, str], ...]) -> None:
    size = 0
    for name, value in env:
        size += len(name) + _count_bytes(value, "env") + 2
        if ENV_NAME.fullmatch(name) is None:
            raise Invalid(
                f"env has a variable named {_shown(name)}",
                field="env",
                hint="names are letters, digits and '_', not starting with a digit",
            )
        if name.startswith("QD_"):
            raise Invalid(
                f"env sets {name}; names that start with QD_ belong to Quarterdeck",
                field="env",
                hint="choose another name",
            )
        if "\0" in value:
            raise Invalid(f"env.{name} contains a NUL byte", field="env", hint="remove it")
    if len(env) > LIMITS.env_variables_max or size > LIMITS.env_bytes_max:
        raise Invalid(
            f"env has {len(env)} variables and {size} bytes; "
            f"at most {LIMITS.env_variables_max} and {LIMITS.env_bytes_max}",
            field="env",
            hint="put large values into a file in the work folder",
        )


def _count_bytes(text: str, field: str) -> int:
    try:
        return len(text.encode("utf-8", "surrogateescape"))
    except UnicodeEncodeError:
        raise Invalid(
            f"{field} contains {_shown(text)}, which has no bytes in UTF-8",
            field=field,
            hint="remove the lone surrogates",
        ) from None


def _check_checkpoint_path(path: str | None) -> None:
    if path is None:
        return
    parts = path.removesuffix("/").split("/")
    size = _count_bytes(path, "checkpoint.path")
    longest = max(len(part.encode("utf-8", "surrogateescape")) for part in parts)
    if (
        size > LIMITS.path_bytes_max
        or longest > LIMITS.file_name_bytes_max
        or not path.isprintable()
        or any(part in ("", ".", "..") for part in parts)
    ):
        raise Invalid(
            f"checkpoint.path is {_shown(path)}",
            field="checkpoint.path",
            hint="name a folder inside the work folder, for example ckpt",
        )


def _check_needs(needs: tuple[JobId, ...]) -> None:
    if len(needs) > LIMITS.needs_max or len(set(needs)) < len(needs):
        raise Invalid(
            f"needs names {len(needs)} jobs, {len(set(needs))} of them different; "
            f"at most {LIMITS.needs_max}, each once",
            field="needs",
            hint="an array counts as one job",
        )


def _check_tags(tags: tuple[tuple[str, str], ...]) -> None:
    if len(tags) > LIMITS.tags_max:
        raise Invalid(
            f"there are {len(tags)} tags; at most {LIMITS.tags_max}",
            field="tags",
            hint="keep those that you filter by",
        )
    for key, value in tags:
        if len(key) > LIMITS.tag_chars_max or NAME.fullmatch(key) is None:
            raise Invalid(
                f"tags has a key {_shown(key)}",
                field="tags",
                hint=f"use up to {LIMITS.tag_chars_max} letters, digits, '.', '_' or '-'",
            )
        if len(value) > LIMITS.tag_chars_max or not value.isprintable():
            raise Invalid(
                f"tags.{key} is {_shown(value)}",
                field=f"tags.{key}",
                hint=f"use up to {LIMITS.tag_chars_max} printable characters",
            )


def _check_demand(demand: Demand) -> None:
    wanted: Resources = demand.resources
    _check_range("nodes", demand.nodes, 1, LIMITS.nodes_max)
    _check_range("nodes", demand.most_nodes, demand.nodes, LIMITS.nodes_max)
    if demand.topology.require is Level.NODE and demand.most_nodes > 1:
        raise Invalid(
            f"topology.require is node, and nodes is {demand.most_nodes}",
            field="topology.require",
            hint="ask for one node with more GPUs, or require rack",
        )
    _check_resources(wanted, "")


def _check_resources(wanted: Resources, at: str) -> None:
    _check_range(f"{at}resources.gpu", wanted.gpus, 0, LIMITS.gpus_per_node_max)
    _check_range(f"{at}resources.cpu", wanted.cpus, 1, LIMITS.cpus_per_node_max)
    _check_range(f"{at}resources.memory", wanted.memory_bytes, 0, 2**60)


def _check_roles(spec: JobSpec) -> None:
    if len(spec.roles) > LIMITS.roles_max:
        raise Invalid(
            f"there are {len(spec.roles)} roles; at most {LIMITS.roles_max}",
            field="roles",
            hint="what has the same command and needs is one role with more nodes",
        )
    names = {MAIN}
    for role, group in zip(spec.roles, spec.demand.beside, strict=True):
        at = f"roles.{role.name}."
        # The names become names of variables, where case and signs are lost.
        known = variable_part(role.name)
        if ROLE_NAME.fullmatch(role.name) is None or known in map(variable_part, names):
            raise Invalid(
                f"roles has a role {_shown(role.name)}",
                field="roles",
                hint=f"use up to 32 letters, digits, '_' or '-', different ones; {MAIN} is the "
                "job's own command",
            )
        names.add(role.name)
        _check_command(role.command, f"{at}run")
        _check_range(f"{at}nodes", group.nodes, 1, LIMITS.nodes_max)
        _check_range(f"{at}ranks_per_node", role.ranks_per_node, 1, LIMITS.ranks_per_node_max)
        _check_resources(group.resources, at)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise Invalid(
            f"{name} is {value}; it goes from {low:g} to {high:g}",
            field=name,
            hint="choose a value in that range",
        )


def _check_span(name: str, value_s: float, low_s: float, high_s: float) -> None:
    if not low_s <= value_s <= high_s:
        told = format_span(value_s) if abs(value_s) <= 2 * SPAN_S_MAX else f"{value_s:g} s"
        raise Invalid(
            f"{name} is {told}; it goes from {format_span(low_s)} to {format_span(high_s)}",
            field=name,
            hint="choose a time in that range",
        )


def _shown(text: str) -> str:
    """`ascii`, so that letters that only look alike are told apart."""
    return ascii(text) if len(text) <= 80 else f"{text[:77]!a}… ({len(text)} characters)"
