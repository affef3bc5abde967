"""A batch script's options as a request of ours, and the facts that it finds inside its job.

Pure: what stands around (the variables of the shell, the name of this host) is an argument. The
table of what becomes of each option is in docs/howto/sbatch-scripts.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.sdk.sbatch import images, values
from quarterdeck.sdk.sbatch.directives import wrong
from quarterdeck.sdk.sbatch.given import Wishes
from quarterdeck.sdk.sbatch.shape import Shape, shape_of
from quarterdeck.sdk.yamltree import Place
from quarterdeck.wire.v1.jobs import (
    CheckpointRequest,
    JobRequest,
    ResourcesRequest,
    RetryRequest,
    TopologyRequest,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.sdk.jobreader import Path_
    from quarterdeck.sdk.sbatch.directives import Given

FOLDER: Final = ".quarterdeck"
"""Where in the work folder the script and what runs it are put."""
COMMAND: Final = ("python3", "-I", "-B", f"{FOLDER}/lib")
FACTS_VERSION: Final = 1
KILL_WAIT_S: Final = 30
"""From SIGTERM at the time limit to the kill: the default of KillWait in slurm.conf(5)."""
RETRIES: Final = 3
"""Attempts more of a job that says --requeue."""
NAME_CHARS_MAX: Final = 128
TAGS: Final = ("comment", "partition", "qos", "wckey")
PRIORITIES: Final = ("low", "normal", "high")
_OVERWRITTEN: Final = frozenset(
    {"MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"}
)
"""Set for every rank of ours and taken back for a script, which must not think that it is one."""
_FIELDS: Final[Mapping[str, tuple[Path_, ...]]] = {
    "account": (("team",),),
    "array": (("array",),),
    "chdir": (("workdir",),),
    "clusters": (("site",),),
    "constraint": (("resources", "gpu"),),
    "container-image": (("image",),),
    "cpus-per-gpu": (("resources", "cpu"),),
    "cpus-per-task": (("resources", "cpu"),),
    "dependency": (("needs",),),
    "export": (("env",),),
    "gpus": (("resources", "gpu"),),
    "gpus-per-node": (("resources", "gpu"),),
    "gpus-per-task": (("resources", "gpu"),),
    "gres": (("resources", "gpu"),),
    "job-name": (("name",),),
    "mem": (("resources", "memory"),),
    "mem-per-cpu": (("resources", "memory"),),
    "mem-per-gpu": (("resources", "memory"),),
    "nodes": (("nodes",),),
    "ntasks": (("nodes",), ("resources", "cpu")),
    "signal": (("checkpoint",),),
    "time": (("time_limit",),),
}
"""Which keys of a job come from which option, so that a refusal of the server has a line."""


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around the command: the script's name and arguments, the shell, the host."""

    script: str
    arguments: Sequence[str] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    host: str = "localhost"


@dataclass(frozen=True, slots=True)
class Batch:
    """A script as a job. `facts` go along with it; `chdir` is as written, None for here."""

    request: JobRequest
    facts: dict[str, Any]
    warnings: list[str]
    chdir: str | None
    places: dict[Path_, Place]
    is_dry_run: bool
    is_parsable: bool


def to_batch(script: Sequence[Given], line: Sequence[Given], around: Around) -> Batch:
    """The job that the options ask for. `Invalid` names option, line, value and what to do."""
    wishes = Wishes(script, line)
    if given := wishes.find("exclusive"):
        if wishes.find("oversubscribe") is not None:
            told = "it does not go with --oversubscribe"
            raise wrong(given, told, "leave out one of the two")
        hint = "say what it needs with --cpus-per-task and --mem, and add --oversubscribe to share"
        raise wrong(given, "whole nodes are not reserved here", hint)
    shape = shape_of(wishes)
    full_name, name = _names(wishes, around.script)
    env, kept = _variables(wishes, around)
    warning, limit_s = _stopping(wishes)
    request = JobRequest(
        name=name,
        run=[*COMMAND, *around.arguments],
        image=_image(wishes),
        team=_text(wishes, "account"),
        env=env,
        nodes=(
            shape.nodes if shape.nodes == shape.nodes_max else f"{shape.nodes}..{shape.nodes_max}"
        ),
        resources=ResourcesRequest(
            gpu=shape.gpu,
            cpu=shape.cpus,
            memory=None if shape.memory_mib is None else f"{shape.memory_mib}MiB",
        ),
        topology=_topology(wishes),
        priority=_priority(wishes),
        retry=RetryRequest(limit=RETRIES if wishes.find("requeue") is not None else 0),
        preemptible=wishes.find("no-requeue") is None,
        checkpoint=_checkpoint(warning),
        time_limit=None if limit_s is None else _limit_text(limit_s, warning),
        array=_array(wishes),
        needs=values.needs(given) if (given := wishes.find("dependency")) is not None else [],
        tags=_tags(wishes),
        hold=wishes.find("hold") is not None,
        site=_text(wishes, "clusters"),
    )
    _judge_nice(wishes)
    facts = _facts(wishes, shape, around) | {
        "name": full_name,
        "variables": kept,
        "limit_s": limit_s,
        "warning": None if warning is None else warning._asdict(),
    }
    return Batch(
        request,
        facts,
        wishes.warnings,
        _text(wishes, "chdir"),
        _places(wishes),
        wishes.find("test-only") is not None,
        wishes.find("parsable") is not None,
    )


def _facts(wishes: Wishes, shape: Shape, around: Around) -> dict[str, Any]:
    texts = (*TAGS, "account", "array", "output", "error", "input", "gpus", "gpus-per-node")
    given = {one: _text(wishes, one) for one in (*texts, "gpus-per-task", "ntasks-per-node", "mem")}
    return {
        "version": FACTS_VERSION,
        "host": around.host,
        "tasks": shape.tasks,
        "tasks_per_node": shape.tasks_per_node,
        "cpus_per_task": shape.cpus_per_task,
        "cpus": shape.cpus,
        "memory_mib": shape.memory_mib,
        "kill_wait_s": KILL_WAIT_S,
        "given": {name: text for name, text in given.items() if text is not None},
    }


def _text(wishes: Wishes, name: str) -> str | None:
    given = wishes.find(name)
    return None if given is None else values.text_of(given)


def _names(wishes: Wishes, script: str) -> tuple[str, str]:
    """The name as Slurm has it, and as a job of ours may have it."""
    given = wishes.find("job-name")
    full = script if given is None else values.text_of(given)
    name = re.sub(r"[^A-Za-z0-9._-]", "-", full).lstrip("._-")[:NAME_CHARS_MAX] or "job"
    if given is not None and name != full:
        wishes.warn(given, f"here the job is called {name}")
    return full, name


def _image(wishes: Wishes) -> str | None:
    given = wishes.find("container-image")
    if given is None:
        return None
    found, told = images.image(given)
    for one in (*told, "all of the script runs in it, so it has to have python3 and the shell"):
        wishes.warn(given, one)
    return found


def _variables(wishes: Wishes, around: Around) -> tuple[dict[str, str], dict[str, str]]:
    """Those of the job, and those that its ranks would have written over."""
    given = wishes.find("export")
    if given is None:
        return {}, {}
    found, told = values.variables(given, dict(around.variables))
    for one in told:
        wishes.warn(given, one)
    kept = {name: value for name, value in found.items() if name in _OVERWRITTEN}
    return {name: value for name, value in found.items() if name not in kept}, kept


def _stopping(wishes: Wishes) -> tuple[values.Notice | None, float | None]:
    signal, limit = wishes.find("signal"), wishes.find("time")
    warning = values.signal(signal) if signal is not None else None
    limit_s = values.time_s(limit) if limit is not None else None
    if signal is not None and limit_s is None:
        wishes.warn(signal, "without --time it comes only before another stop, by `qd cancel` too")
    return warning, limit_s


def _checkpoint(warning: values.Notice | None) -> CheckpointRequest:
    if warning is None:
        return CheckpointRequest(grace=f"{KILL_WAIT_S}s")
    return CheckpointRequest(signal=warning.name, grace=f"{warning.before_s + KILL_WAIT_S}s")


def _limit_text(limit_s: float, warning: values.Notice | None) -> str:
    """A time limit of ours is when the warning comes, and the grace begins."""
    before_s = 0 if warning is None else warning.before_s
    return f"{max(1.0, limit_s - before_s):.0f}s"


def _topology(wishes: Wishes) -> TopologyRequest:
    given = wishes.find("switches")
    if given is None:
        return TopologyRequest()
    switches, _, _ = values.text_of(given).partition("@")
    if switches != "1":
        wishes.warn(given, "only 1 changes something: near each other if there is room")
        return TopologyRequest()
    return TopologyRequest(prefer="leaf")


def _priority(wishes: Wishes) -> Any:  # noqa: ANN401 - one of three words
    qos = (_text(wishes, "qos") or "").lower()
    return qos if qos in PRIORITIES else "normal"


def _judge_nice(wishes: Wishes) -> None:
    given = wishes.find("nice")
    if given is not None and (given.value or "").strip() != "0":
        wishes.warn(given, "it changes nothing here; --qos=low makes others go first")


def _array(wishes: Wishes) -> str | None:
    """Blanks are none of it; the server knows the rest."""
    text = _text(wishes, "array")
    return None if text is None else re.sub(r"\s", "", text)


def _tags(wishes: Wishes) -> dict[str, str]:
    found: dict[str, str] = {}
    for name in TAGS:
        given = wishes.find(name)
        if given is None:
            continue
        text = values.text_of(given)
        if name == "qos" and text.lower() in PRIORITIES:
            continue
        found[f"slurm.{name}"] = "".join(one for one in text if one.isprintable())[:128]
        if name in ("partition", "qos"):
            told = "there are none here: it is kept as a tag, and the job goes where it fits"
            wishes.warn(given, told)
    return found


def _places(wishes: Wishes) -> dict[Path_, Place]:
    found: dict[Path_, Place] = {}
    for name, line in wishes.lines().items():
        for path in _FIELDS.get(name, ()):
            found.setdefault(path, Place(line, 1))
            if path == ("resources", "gpu"):
                found[path[:1]] = found[path]  # what never fits is more often these than CPUs
    return found
