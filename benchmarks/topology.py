"""How near to each other the hosts of a gang lie, and what that costs in waiting.

`python -m benchmarks.topology [PERCENT …]` runs the lists of jobs that offer so much of the lingjun
fabric's GPUs (70 and 90) by our scheduler and by others, and prints for each, over jobs of several
hosts: leaves used, as a ratio to the fewest that a fabric of full leaves would need, also weighted
by GPU time; the share of those of up to 8 hosts that lie on one leaf; the share on more than one
pod; and the mean wait of all jobs.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, fields, replace
from multiprocessing import Pool
from statistics import mean, stdev
from time import perf_counter
from typing import TYPE_CHECKING, Final

from benchmarks.baselines.topology import (
    FirstFit,
    LargestLeaves,
    Ran,
    RandomHosts,
    SlurmTree,
    SmallestLeaves,
    replay,
)
from benchmarks.lingjun import GPUS_PER_HOST, HOSTS_PER_LEAF, list_names, read_hosts, read_jobs
from benchmarks.told import Told, print_told
from benchmarks.traces import folder
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.hardware import Device, Location, Node
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.run import run as simulate
from quarterdeck.sim.fast.workload import SimJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.baselines.topology import Rule
    from benchmarks.lingjun import Host, Job

TITLE: Final = "Gangs on the lingjun fabric: mean ± standard deviation over the lists"
LOADS: Final = (70, 90)
OURS: Final = "ours"
SLURM: Final = "Slurm tree rule"
RULES: Final[dict[str, Rule | None]] = {
    OURS: None,
    SLURM: SlurmTree(),
    "largest leaves": LargestLeaves(),
    "smallest leaves": SmallestLeaves(),
    "first fit": FirstFit(),
    "random": RandomHosts(1),
}
NEVER_HELD: Final = 1e9
"""No peer here holds the queue for a job that waits, so neither does ours: else the waits would
compare how queues are kept, not where jobs are put."""
LEAF_BARS: Final = {70: 1.03, 90: 1.06}
ONE_LEAF_BAR: Final = 97.0
CROSS_POD_BAR: Final = 1.0
WAIT_BAR: Final = 1.3


@dataclass(frozen=True, slots=True)
class Measured:
    """One list by one rule. Ratios; percents; seconds."""

    leaf: float
    leaf_by_gpu_time: float
    one_leaf: float
    cross_pod: float
    cross_pod_by_gpu_time: float
    wait_s: float
    took_s: float = 0.0


Found = dict[int, dict[str, dict[str, Measured]]]
"""By load, then rule, then list."""


def measure(hosts: Sequence[Host], ran: Sequence[Ran]) -> Measured:
    """See the module."""
    leaf_of = [(host.pod, host.leaf) for host in hosts]
    used = least = used_time = least_time = 0.0
    total = crossing = small = on_one = 0
    total_time = crossing_time = 0.0
    for one in ran:
        count = one.job.hosts
        if count == 1:
            continue
        gpu_s = one.job.gpus * one.job.duration_s
        leaves = {leaf_of[host] for host in one.hosts}
        fewest = -(-count // HOSTS_PER_LEAF)
        used, least = used + len(leaves), least + fewest
        used_time, least_time = used_time + gpu_s * len(leaves), least_time + gpu_s * fewest
        total, total_time = total + 1, total_time + gpu_s
        if len({pod for pod, _ in leaves}) > 1:
            crossing, crossing_time = crossing + 1, crossing_time + gpu_s
        if fewest == 1:
            small, on_one = small + 1, on_one + (len(leaves) == 1)
    return Measured(
        used / least,
        used_time / least_time,
        100 * on_one / small,
        100 * crossing / total,
        100 * crossing_time / total_time,
        mean(one.wait_s for one in ran),
    )


def our_replay(hosts: Sequence[Host], jobs: Sequence[Job]) -> list[Ran]:
    """As the server would place them."""
    at = {host.name: number for number, host in enumerate(hosts)}
    by_line = {job.number: job for job in jobs}
    story = simulate(
        [_node_of(host) for host in hosts],
        [_sim_job_of(job) for job in jobs],
        Policy(patience_s=NEVER_HELD),
    )
    assert not story.never
    return [
        Ran(by_line[one.job.line], one.start_s, tuple(at[grant.node] for grant in one.grants))
        for one in story.ran
    ]


def run_one(name: str, list_name: str) -> Measured:
    """One list by one rule."""
    hosts, jobs = read_hosts(), read_jobs(list_name)
    rule = RULES[name]
    began = perf_counter()
    ran = our_replay(hosts, jobs) if rule is None else replay(hosts, jobs, rule)
    took_s = perf_counter() - began
    return replace(measure(hosts, ran), took_s=took_s)


def run(loads: Sequence[int]) -> Found:
    """All lists of these loads by all rules."""
    keys = [(load, rule, name) for load in loads for rule in RULES for name in list_names(load)]
    found: Found = {load: {rule: {} for rule in RULES} for load in loads}
    with Pool() as pool:
        for (load, rule, name), one in zip(
            keys, pool.starmap(run_one, [key[1:] for key in keys], 1), strict=True
        ):
            found[load][rule][name] = one
    return found


def as_lines(found: Found) -> list[str]:
    """A header, and a row for each load and rule."""
    columns = ("leaf ratio", "by GPU time", "one leaf %", "cross-pod %", "by GPU time %", "wait s")
    width = max(len(rule) for rule in RULES)
    lines = [f"load  {'rule':<{width}}  " + "  ".join(f"{name:>15}" for name in columns)]
    for load, by_rule in found.items():
        for rule, by_list in by_rule.items():
            cells = [
                _spread([getattr(one, field.name) for one in by_list.values()])
                for field in fields(Measured)[: len(columns)]
            ]
            lines.append(
                f"0.{load // 10}   {rule:<{width}}  " + "  ".join(f"{cell:>15}" for cell in cells)
            )
    return lines


def judge(found: Found) -> list[tuple[str, bool]]:
    """What is said of the run, and whether it holds."""
    said = []
    for load, by_rule in found.items():
        ours, slurm = by_rule[OURS].values(), by_rule[SLURM].values()
        told = f"0.{load // 10}: "
        leaf = mean(one.leaf for one in ours)
        if load in LEAF_BARS:
            bar = LEAF_BARS[load]
            said.append((f"{told}leaf ratio {leaf:.3f} ≤ {bar}", leaf <= bar))
        if load == 90:
            one_leaf = mean(one.one_leaf for one in ours)
            told_one = f"{told}on one leaf {one_leaf:.1f} % ≥ {ONE_LEAF_BAR} %"
            said.append((told_one, one_leaf >= ONE_LEAF_BAR))
            cross = mean(one.cross_pod for one in ours)
            told_cross = f"{told}on several pods {cross:.2f} % ≤ {CROSS_POD_BAR} %"
            said.append((told_cross, cross <= CROSS_POD_BAR))
            wait_s, theirs_s = (mean(one.wait_s for one in kind) for kind in (ours, slurm))
            told_wait = f"{told}mean wait {wait_s:.1f} s ≤ {WAIT_BAR} × {theirs_s:.1f} s ({SLURM})"
            said.append((told_wait, wait_s <= WAIT_BAR * theirs_s))
    return said


def tell(found: Found) -> Told:
    """What was found, as it is printed and kept."""
    return Told(TITLE, as_lines(found), judge(found))


def main() -> int:
    """Run the loads that were named, or both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.topology", description=__doc__)
    parser.add_argument("loads", nargs="*", type=int, help="percent of the GPUs that are offered")
    loads = parser.parse_args().loads or LOADS
    if missing := [load for load in loads if not list_names(load)]:
        parser.error(f"no list for a load of {missing[0]} % in {folder()}/topology: set QD_TRACES")
    return print_told(parser, lambda: tell(run(loads)))


def _node_of(host: Host) -> Node:
    gpus = tuple(Device(f"{host.name}-{gpu}", "GPU", 80 * 10**9) for gpu in range(GPUS_PER_HOST))
    where = Location(rack=host.leaf, pod=host.pod)
    return Node(host.name, GPUS_PER_HOST, GPUS_PER_HOST, gpus, location=where)


def _sim_job_of(job: Job) -> SimJob:
    """Nothing but GPUs is scarce."""
    per_host = min(job.gpus, GPUS_PER_HOST)
    demand = Demand(job.hosts, Resources(per_host, cpus=per_host, memory_bytes=per_host))
    return SimJob(job.number, f"job {job.number}", job.submit_s, job.duration_s, demand)


def _spread(values: Sequence[float]) -> str:
    spread = stdev(values) if len(values) > 1 else 0.0
    return f"{mean(values):.3f} ± {spread:.3f}"


if __name__ == "__main__":
    sys.exit(main())
