"""From what a client wrote to what the core works with: parse once, name what is wrong."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.basics.errors import Invalid, NotFound
from quarterdeck.basics.ids import JobId, is_job_id
from quarterdeck.basics.quantities import parse_bytes, parse_span_s
from quarterdeck.core.cluster.demand import Demand, Group, Level, Resources, Wish
from quarterdeck.core.cluster.gpus import format_gpus, parse_gpus
from quarterdeck.core.governance.people import DEFAULT_TEAM
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.manifest import Manifest, ManifestFile
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.roles import Role
from quarterdeck.core.jobs.spec import JobSpec, Priority, Retry, Stopping
from quarterdeck.wire.v1.jobs import JobRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.wire.v1.jobs import LevelName, ResourcesRequest, RetryRequest, RoleRequest
    from quarterdeck.wire.v1.snapshots import SnapshotRequest

RETRIED: Final = (
    Reason.NODE_FAILURE,
    Reason.USER_ERROR,
    Reason.OUT_OF_MEMORY,
    Reason.TIMED_OUT,
    Reason.SETUP_FAILED,
    Reason.STOPPED_AT_SITE,
    Reason.PREEMPTED,
)
"""Ends that another attempt may follow; the others are what somebody asked for. After having made
room for others a job starts again in any case: it may be named and changes nothing."""

_RETRIED_BY_CODE: Final = {reason.value: reason for reason in RETRIED}
NO_NAMES: Final[Mapping[str, JobId]] = {}
QUANTITY_CHARS_MAX: Final = 40
_LEVELS: Final = {"leaf": "rack"}
"""Other words for a level."""
_NODES: Final = re.compile(r"(?P<least>[0-9]{1,6})\.\.(?P<most>[0-9]{1,6})", re.ASCII)


def to_request(spec: JobSpec) -> JobRequest:
    """The request that makes a job with this spec. What is as by default is left out."""
    demand = spec.demand
    body: dict[str, Any] = {
        "name": spec.name,
        "team": spec.team,
        "run": _run_of(spec.command),
        "image": spec.image,
        "isolate": spec.is_isolated,
        "env": dict(spec.env),
        "nodes": (
            demand.nodes if demand.nodes_max is None else f"{demand.nodes}..{demand.nodes_max}"
        ),
        "ranks_per_node": spec.ranks_per_node,
        "resources": _resources_of(demand.resources),
        "roles": {
            role.name: {
                "run": _run_of(role.command),
                "nodes": group.nodes,
                "ranks_per_node": role.ranks_per_node,
                "resources": _resources_of(group.resources),
            }
            for role, group in zip(spec.roles, demand.beside, strict=True)
        },
        "topology": {
            name: level.value
            for name in ("require", "prefer", "spread")
            if (level := getattr(demand.topology, name)) is not None
        },
        "priority": spec.priority.value,
        "retry": {
            "limit": spec.retry.limit,
            "on": [reason.value for reason in spec.retry.on],
            "backoff": _span_text(spec.retry.backoff_s),
        },
        "checkpoint": {
            "signal": spec.stopping.signal,
            "grace": _span_text(spec.stopping.grace_s),
            "path": spec.checkpoint_path,
        },
        "time_limit": None if spec.time_limit_s is None else _span_text(spec.time_limit_s),
        "preemptible": spec.is_preemptible,
        "min_runtime": _span_text(spec.min_runtime_s) if spec.min_runtime_s else None,
        "needs": list(spec.needs),
        "array": None if spec.array is None else str(spec.array),
        "tags": dict(spec.tags),
        "site": demand.site,
        "snapshot": spec.snapshot,
    }
    return JobRequest.model_validate(body)


def _run_of(command: tuple[str, ...]) -> str | list[str]:
    is_line = command[:2] == ("sh", "-c") and len(command) == 3 and bool(command[2].strip())
    return command[2] if is_line else list(command)


def _resources_of(wanted: Resources) -> dict[str, Any]:
    return {
        "gpu": format_gpus(wanted) if wanted.gpu_kind else wanted.gpus,
        "cpu": wanted.cpus,
        "memory": f"{wanted.memory_bytes}B" if wanted.memory_bytes else None,
    }


def _span_text(span_s: float) -> str:
    """Seconds in digits, never as a power of ten."""
    return f"{span_s:.9f}".rstrip("0").rstrip(".") + "s"


def parse_tag(text: str) -> tuple[str, str]:
    """A filter `key=value`."""
    key, equals, value = text.partition("=")
    if not equals or not key:
        raise Invalid(
            f"tag is {shown(text)}", field="tag", hint="write key=value, for example project=ocr"
        )
    return key, value


def to_spec(
    body: JobRequest, names: Mapping[str, JobId] = NO_NAMES, *, team: str | None = None
) -> JobSpec:
    """The job's spec, for the team that it belongs to. `Invalid` names the field that cannot be
    used. `names` are the jobs that come with it, `team` is who pays if the body leaves it open."""
    least, most = parse_nodes(body.nodes)
    roles = [_role(name, role) for name, role in body.roles.items()]
    return JobSpec(
        command=_command(body.run),
        name=body.name,
        team=next(one for one in (team, body.team, DEFAULT_TEAM) if one is not None),
        env=tuple(body.env.items()),
        demand=Demand(
            nodes=least,
            resources=_resources(body.resources),
            site=body.site,
            nodes_max=most,
            topology=Wish(
                _level(body.topology.require),
                _level(body.topology.prefer),
                _level(body.topology.spread),
            ),
            beside=tuple(group for _, group in roles),
        ),
        roles=tuple(role for role, _ in roles),
        ranks_per_node=body.ranks_per_node,
        snapshot=body.snapshot,
        priority=Priority(body.priority),
        retry=_retry(body.retry),
        stopping=Stopping(
            body.checkpoint.signal, _span_s(body.checkpoint.grace, "checkpoint.grace")
        ),
        checkpoint_path=body.checkpoint.path,
        time_limit_s=None if body.time_limit is None else _span_s(body.time_limit, "time_limit"),
        is_preemptible=body.preemptible,
        min_runtime_s=0.0 if body.min_runtime is None else _span_s(body.min_runtime, "min_runtime"),
        needs=tuple(names.get(need) or parse_need(need) for need in body.needs),
        array=None if body.array is None else parse_array(body.array),
        tags=tuple(body.tags.items()),
        image=body.image,
        is_isolated=body.isolate,
    )


def _resources(wanted: ResourcesRequest, at: str = "") -> Resources:
    field = f"{at}resources.memory"
    memory_bytes = 0
    if isinstance(wanted.gpu, int):
        gpus = Resources(wanted.gpu)
    else:
        gpus = parse_gpus(wanted.gpu, field=f"{at}resources.gpu")
    if wanted.memory is not None:
        memory_bytes = parse_bytes(_short(wanted.memory, field), field=field)
    return replace(gpus, cpus=wanted.cpu, memory_bytes=memory_bytes)


def _role(name: str, wanted: RoleRequest) -> tuple[Role, Group]:
    at = f"roles.{name}."
    role = Role(name, _command(wanted.run, f"{at}run"), wanted.ranks_per_node)
    return role, Group(wanted.nodes, _resources(wanted.resources, at))


def parse_nodes(wanted: int | str) -> tuple[int, int | None]:
    """How many nodes at least, and for `2..8` at most."""
    if isinstance(wanted, int):
        return wanted, None
    match = _NODES.fullmatch(wanted.strip())
    if match is None or int(match["least"]) > int(match["most"]):
        raise Invalid(
            f"nodes is {shown(wanted)}, which is neither a whole number nor a range",
            field="nodes",
            hint="write a number without quotes, or the least and the most, for example 2..8",
        )
    return int(match["least"]), int(match["most"])


def _level(name: LevelName | None) -> Level | None:
    return None if name is None else Level(_LEVELS.get(name, name))


def parse_job_id(text: str) -> JobId:
    """A job's id from a path. What cannot be one is not there."""
    if not is_job_id(text):
        raise NotFound(
            f"there is no job {shown(text)}",
            field="id",
            hint="an id is a j and nine letters or digits; `qd ps -a` lists the jobs there are",
        )
    return JobId(text)


def parse_need(text: str) -> JobId:
    """The id of a job that another one needs."""
    if not is_job_id(text):
        raise Invalid(
            f"needs names {shown(text)}, which is neither a job's id nor the name of a job of the "
            "same file",
            field="needs",
            hint="an id is a j and nine letters or digits; `qd ps -a` lists the jobs there are",
        )
    return JobId(text)


def to_manifest(body: SnapshotRequest) -> Manifest:
    """The work folder's manifest. `Invalid` for whatever could not be laid out safely."""
    return Manifest(
        tuple(
            ManifestFile(entry.path, entry.mode, entry.size, entry.digest, entry.target)
            for entry in body.files
        )
    )


def digest_of_request(method: str, path: str, body: JobRequest) -> str:
    """What tells two requests with one idempotency key apart: what the client wrote, in one order.

    Only fields that were sent count, so a server that has learned new ones still knows a request
    of yesterday.
    """
    sent = body.model_dump(mode="json", exclude_unset=True)
    canonical = json.dumps([method, path, sent], separators=(",", ":"), sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _command(run: str | list[str], field: str = "run") -> tuple[str, ...]:
    if isinstance(run, list):
        return tuple(run)
    if not run.strip():
        raise Invalid(
            f"{field} is empty",
            field=field,
            hint="say what to run, for example run: python train.py",
        )
    return ("sh", "-c", run)


def _retry(wanted: RetryRequest) -> Retry:
    reasons: dict[Reason, None] = {}
    for code in wanted.on:
        if code not in _RETRIED_BY_CODE:
            raise Invalid(
                f"retry.on names {shown(code)}, which cannot be retried",
                field="retry.on",
                hint=f"use any of {', '.join(_RETRIED_BY_CODE)}",
            )
        reasons[_RETRIED_BY_CODE[code]] = None
    backoff_s = _span_s(wanted.backoff, "retry.backoff")
    return Retry(wanted.limit, tuple(reasons), backoff_s)


def _span_s(text: str, field: str) -> float:
    return parse_span_s(_short(text, field), field=field)


def _short(text: str, field: str) -> str:
    """A quantity that is longer than any quantity is refused before anybody counts its digits."""
    if len(text) > QUANTITY_CHARS_MAX:
        raise Invalid(
            f"{field} has {len(text)} characters; no quantity needs more than {QUANTITY_CHARS_MAX}",
            field=field,
            hint="write a number and a unit",
        )
    return text


def shown(text: str) -> str:
    """Text of a client in an error: escaped, and not endless."""
    return ascii(text) if len(text) <= 80 else f"{text[:77]!a}… ({len(text)} characters)"
