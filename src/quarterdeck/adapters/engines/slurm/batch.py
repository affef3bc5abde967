"""A launch order as a batch job for Slurm: the runner on each of its nodes, and nothing else."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from quarterdeck.adapters.spool.carried import start_words
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import format_span

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
    from quarterdeck.adapters.engines.slurm.view import Look
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.ports.engine import LaunchOrder

MARGIN_S: Final = 120.0
"""How much later than our own end of a job Slurm's comes: it is for when ours fails."""
MEMORY_SHARE: Final = 0.9
"""Of a node's memory, what jobs that do not say how much they need get by their part of it."""
PATH: Final = "/usr/local/bin:/usr/bin:/bin"
OUTPUT: Final = "slurm.out"
"""What the batch script says, in the attempt's folder: nothing, if all is well."""
_NAME_CHARS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")


class Places(NamedTuple):
    """The folder of an attempt, and that of the runner."""

    attempt: Path
    runner: Path


def make_batch(
    order: LaunchOrder,
    key: str,
    nodes: Mapping[str, Node],
    look: Look,
    settings: SlurmSettings,
    places: Places,
) -> BatchRequest:
    """The batch job of an attempt. `Invalid` for what Slurm cannot run."""
    parts = [device for grant in order.grants for device in grant.devices if "/" in device]
    if parts:
        raise Invalid(
            f"resources.gpu asks for a part of a GPU ({parts[0]}), and Slurm gives whole ones",
            code="not_available",
            field="resources.gpu",
            hint="ask for whole GPUs, or use a site that packs jobs by itself (pilot)",
        )
    cpus = {_cpus(grant, nodes[grant.node]) for grant in order.grants}
    memory = {_memory(grant, nodes[grant.node]) for grant in order.grants}
    names = tuple(grant.node for grant in order.grants)
    if len(set(names)) < len(names):
        raise _unlike("two of its replicas are on one node")
    gres = _gres(order.grants, look)
    limit_s = time_limit_s(order, look.longest_s)
    grace_s = order.spec.stopping.grace_s
    return BatchRequest(
        script=_script(settings, places, len(names), max(cpus)),
        name="".join(sign if sign in _NAME_CHARS else "-" for sign in order.spec.name)
        or order.ref.job_id,
        comment=key,
        partition=settings.partition,
        account=settings.account,
        qos=settings.qos,
        reservation=settings.reservation,
        nodes=names,
        tasks_per_node=1,
        cpus_per_task=max(cpus),
        memory_bytes=max(memory) or None,
        gres=gres,
        time_limit_s=None if limit_s is None else limit_s + grace_s + MARGIN_S,
        output=str(places.attempt / OUTPUT),
        folder="/",
        warning=None if limit_s is None else ("TERM", int(grace_s + MARGIN_S / 2)),
    )


def _gres(grants: Sequence[Grant], look: Look) -> str:
    """What each node is to give, in the words of `--gres`."""
    asked = {look.gpus[grant.node].ask_for(grant.devices) for grant in grants}
    if len(asked) > 1:
        # GPUs of other types on each: without a word on that it gives what it has.
        untyped = {look.gpus[grant.node].ask_for_any(grant.devices) for grant in grants}
        if len(untyped) > 1 or "" in untyped:
            raise _unlike(f"its nodes need {' and '.join(sorted(asked))}")
        asked = untyped
    return asked.pop()


def time_limit_s(order: LaunchOrder, longest_s: float | None) -> float | None:
    """When our runner ends the job: at its own limit, or so much before the partition's that there
    is time to save what it did. None where there is neither."""
    own_s, grace_s = order.spec.time_limit_s, order.spec.stopping.grace_s
    if longest_s is None:
        return own_s
    most_s = longest_s - grace_s - MARGIN_S
    if most_s <= 0:
        raise Invalid(
            f"checkpoint.grace is {format_span(grace_s)}, which leaves nothing of the partition's "
            f"{format_span(longest_s)}",
            field="checkpoint.grace",
            hint="shorten it, or use a site whose partition runs jobs for longer",
        )
    if own_s is not None and own_s > longest_s:
        raise Invalid(
            f"time_limit is {format_span(own_s)}, and the site's partition ends jobs after "
            f"{format_span(longest_s)}",
            field="time_limit",
            hint="ask for less and save checkpoints, or name another site",
        )
    return most_s if own_s is None else min(own_s, most_s)


def _script(settings: SlurmSettings, places: Places, nodes: int, cpus: int) -> str:
    words = ("node", str(places.attempt))
    if nodes == 1:
        return make_script(settings, places.runner, words)
    step = (
        f"srun --nodes={nodes} --ntasks={nodes} --ntasks-per-node=1 --mpi=none "
        f"--cpus-per-task={cpus} --cpu-bind=none --kill-on-bad-exit=0 --export=ALL /bin/sh -c "
    )
    return make_script(settings, places.runner, words, step)


def make_script(settings: SlurmSettings, runner: Path, words: Sequence[str], step: str = "") -> str:
    """A batch script that becomes the runner with these words and the node's name. `step`: what
    starts that on each node, as a shell line."""
    call = shlex.join(start_words(settings.python, runner, words))
    start = f'exec {call} --name "$SLURMD_NODENAME"'
    if step:
        start = f"exec {step}{shlex.quote(start)}"
    return (
        "#!/bin/sh\n"
        f"PATH={shlex.quote(settings.path or PATH)}; export PATH\n"
        'HOME=${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}; export HOME\n'
        f"{start}\n"
    )


def _cpus(grant: Grant, node: Node) -> int:
    """Slurm confines a job to its CPUs, so one with GPUs gets its share of the node at least: who
    asks for 8 GPUs and says no word of CPUs does not mean one."""
    share = node.cpus * len(grant.devices) // max(1, len(node.devices))
    return max(grant.cpus, share, 1)


def _memory(grant: Grant, node: Node) -> int:
    """Without a word Slurm may give a job all of a node's memory, and nobody else could start."""
    if grant.memory_bytes:
        return grant.memory_bytes
    if grant.devices:
        part = len(grant.devices) / max(1, len(node.devices))
    else:
        part = grant.cpus / max(1, node.cpus)
    return int(node.memory_bytes * MEMORY_SHARE * min(1.0, part))


def _unlike(told: str) -> Invalid:
    return Invalid(
        f"Slurm starts the same on each node of a job, and {told}",
        code="not_available",
        field="resources",
        hint="ask for the same on each node, or for whole nodes",
    )
