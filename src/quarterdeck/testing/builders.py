"""Short ways to the values that many tests need: jobs, their histories, nodes."""

from __future__ import annotations

from typing import Any, Final

from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.basics.quantities import GIB
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.events import SiteReported
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.evolve import replay
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import JobState, ReplicaState

START_NS: Final = 1_700_000_000 * NS_PER_S
"""When a test begins, unless it says otherwise."""
SITE: Final = "local"


def a_job_id(number: int) -> JobId:
    """The id with a number."""
    return JobId(format_id("j", number))


def a_demand(nodes: int = 1, gpus: int = 0, **resources: Any) -> Demand:  # noqa: ANN401
    """A gang of equal replicas."""
    return Demand(nodes, Resources(gpus, **resources))


def a_job_spec(**changes: Any) -> JobSpec:  # noqa: ANN401
    """A spec that asks for one CPU and does nothing."""
    return JobSpec(**{"command": ("true",), **changes})


def a_node(name: str = "node-1", *, gpus: int = 0, **changes: Any) -> Node:  # noqa: ANN401
    """A node with imaginary GPUs."""
    devices = tuple(Device(f"GPU-{name}-{i}", "A100-SXM4-80GB", 80 * GIB) for i in range(gpus))
    return Node(
        **{"name": name, "cpus": 16, "memory_bytes": 64 * GIB, "devices": devices, **changes}
    )


def a_dgx(name: str = "dgx-1", **changes: Any) -> Node:  # noqa: ANN401
    """A node with eight GPUs, of the shape of a DGX A100."""
    return a_node(name, **{"gpus": 8, "cpus": 256, "memory_bytes": 1024 * GIB, **changes})


def a_site_report(*nodes: Node, site: str = SITE, at_ns: int = START_NS) -> SiteReported:
    """A site with these nodes, or with one."""
    return SiteReported(at_ns, site, nodes or (a_dgx(),))


def a_submitted(
    spec: JobSpec | None = None, *, actor: str = "ada", at_ns: int = START_NS
) -> ev.Submitted:
    """A job came."""
    return ev.Submitted(at_ns, actor, spec or a_job_spec())


def a_placed(
    attempt: int = 1, *grants: Grant, site: str = SITE, at_ns: int = START_NS + 1
) -> ev.Placed:
    """An attempt was granted a place, of one CPU unless told."""
    return ev.Placed(at_ns, attempt, site, grants or (Grant("node-1"),))


def a_seen(
    attempt: int, state: ReplicaState, *, node_rank: int = 0, code: int = 0, at_ns: int = START_NS
) -> ev.Seen:
    """A replica was seen at a level; one that has exited ended with the code."""
    has_started = state in (ReplicaState.STARTED, ReplicaState.EXITED)
    has_exited = state is ReplicaState.EXITED
    sight = ev.Sighting(
        node_rank,
        state,
        started_at_ns=at_ns if has_started else None,
        ended_at_ns=at_ns if state.is_gone else None,
        exits=(RankExit(node_rank, code),) if has_exited else (),
    )
    return ev.Seen(at_ns, attempt, (sight,))


def a_run(attempt: int = 1, *, code: int = 0, at_ns: int = START_NS + 1) -> list[ev.JobEvent]:
    """Everything that happens to an attempt that starts and ends with a code."""
    ended = (
        ev.Ended(at_ns, attempt, JobState.SUCCEEDED, Reason.COMPLETED, "", 0)
        if code == 0
        else ev.Ended(at_ns, attempt, JobState.FAILED, Reason.USER_ERROR, f"code {code}", code)
    )
    return [
        a_placed(attempt, at_ns=at_ns),
        a_seen(attempt, ReplicaState.STARTED, at_ns=at_ns),
        ev.Started(at_ns, attempt, at_ns),
        a_seen(attempt, ReplicaState.EXITED, code=code, at_ns=at_ns),
        ended,
    ]


def a_job(number: int = 1, *events: ev.JobEvent, spec: JobSpec | None = None) -> Job:
    """The job to which these events lead after its submission."""
    job = replay(a_job_id(number), [a_submitted(spec), *events])
    assert job is not None
    return job
