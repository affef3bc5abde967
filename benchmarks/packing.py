"""How much of a cluster's GPUs stays unused when more is asked for than there is.

`python -m benchmarks.packing [LIST …]` (or `make bench-packing LISTS=a,b`) prints a row for each
list of pods of OpenB: our share of GPUs that nobody could use first, then that of others.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from multiprocessing import Pool
from statistics import mean, stdev
from time import perf_counter
from typing import TYPE_CHECKING, Final

from benchmarks import openb
from benchmarks.baselines.packing import BestFit, Fgd, Packer, RandomFit
from benchmarks.openb import MILLI
from benchmarks.told import Told
from benchmarks.traces import NoTraces, folder
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.core.cluster.demand import Demand, GpuUnit, Grant, Resources
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.fragments import Recent
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.openb import Host, Pod

TITLE: Final = "GPUs that stay unused, % of all: mean ± standard deviation over the seeds"
SITE: Final = "openb"
MIB: Final = 2**20
GB: Final = 10**9
NS: Final = 10**9
MEMORY_GB: Final = {"P100": 16, "T4": 16, "V100M16": 16, "A10": 24, "V100M32": 32}
"""Of one GPU. What hides behind G2 and G3 is not published."""
POLICIES: Final = ("ours", "FGD", "best fit", "random")
PUBLISHED: Final = {"FGD": 4.61, "best fit": 6.92, "random": 12.53}
"""On `default`, the mean of ten seeds (hkust-adsl/kubernetes-scheduler-simulator)."""
NEAR: Final = 0.5
BAR: Final = 4.0
SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Packed:
    """One run: percent of the GPUs that stayed unused, and how long it took."""

    unused: float
    seconds: float
    decisions: int


class OurPacker:
    """Puts pods on nodes as the server would: one plan for each that comes."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self._capacity = capacity_of([room_of(SITE, _node_of(host), ()) for host in hosts])
        self._held: dict[str, list[Grant]] = {host.name: [] for host in hosts}
        self._recent = Recent()
        self._count = 0

    def place(self, pod: Pod) -> int:
        """Thousandths of GPUs that the pod got: 0 also if there was no room."""
        demand = Demand(1, _resources_of(pod))
        self._count += 1
        self._recent.add(demand.resources)
        now_ns = self._count * NS
        waiting = Waiting(JobId(format_id("j", self._count)), demand, 0, now_ns)
        asked = self._recent.asked()
        snapshot = Snapshot(now_ns, self._count, self._capacity, (waiting,), asked=asked)
        plan = make_plan(snapshot, Policy())
        for grant in (grant for placed in plan.placements for grant in placed.grants):
            self._held[grant.node].append(grant)
            room = self._capacity[self._capacity.fleet.rows[SITE, grant.node]]
            self._capacity = self._capacity.replaced(
                [room_of(SITE, room.node, self._held[grant.node])]
            )
        return pod.total_milli if plan.placements else 0


def pack(name: str, policy: str, seed: int) -> Packed:
    """One list in the order of one seed, by one policy."""
    hosts, pods = openb.read_hosts(), openb.read_pods(name)
    order = openb.read_arrivals(name, pods, hosts)[seed]
    packer = _packer_of(policy, hosts, pods, seed)
    began = perf_counter()
    got = sum(packer.place(pods[number]) for number in order)
    seconds = perf_counter() - began
    total = MILLI * sum(host.gpus for host in hosts)
    return Packed(100 * (1 - got / total), seconds, len(order))


def run(names: Sequence[str]) -> dict[str, dict[str, list[Packed]]]:
    """All lists by all policies in the orders of all their seeds."""
    hosts = openb.read_hosts()
    keys = []
    for name in names:
        seeds = openb.read_arrivals(name, openb.read_pods(name), hosts)
        keys += [(name, policy, seed) for policy in POLICIES for seed in seeds]
    found: dict[str, dict[str, list[Packed]]] = {
        name: {policy: [] for policy in POLICIES} for name in names
    }
    with Pool() as pool:
        for (name, policy, _), packed in zip(keys, pool.starmap(pack, keys, 1), strict=True):
            found[name][policy].append(packed)
    return found


def as_lines(found: dict[str, dict[str, list[Packed]]]) -> list[str]:
    """A header, and a row for each list."""
    width = max(len(name) for name in (*found, "list"))
    lines = [f"{'list':<{width}}  " + "  ".join(f"{policy:>14}" for policy in POLICIES)]
    for name, by_policy in found.items():
        cells = [_spread([one.unused for one in by_policy[policy]]) for policy in POLICIES]
        lines.append(f"{name:<{width}}  " + "  ".join(f"{cell:>14}" for cell in cells))
    return lines


def judge(found: dict[str, dict[str, list[Packed]]]) -> list[tuple[str, bool]]:
    """What is said of the run, and whether it holds."""
    said = []
    if "default" in found:
        for policy, published in PUBLISHED.items():
            ours = mean(one.unused for one in found["default"][policy])
            told = f"{policy} on default: {ours:.2f}, published {published:.2f}"
            said.append((f"{told} (within {NEAR})", abs(ours - published) <= NEAR))
        ours = mean(one.unused for one in found["default"]["ours"])
        said.append((f"ours on default: {ours:.2f} ≤ {BAR}", ours <= BAR))
    for name, by_policy in found.items():
        ours, theirs = (mean(one.unused for one in by_policy[p]) for p in ("ours", "FGD"))
        said.append((f"ours below FGD on {name}: {ours:.2f} < {theirs:.2f}", ours < theirs))
    slowest = max(one.seconds for by_policy in found.values() for one in by_policy["ours"])
    most = max(one.decisions for by_policy in found.values() for one in by_policy["ours"])
    said.append((f"slowest run of up to {most} decisions: {slowest:.0f} s", slowest < SECONDS))
    return said


def tell(found: dict[str, dict[str, list[Packed]]]) -> Told:
    """What was found, as it is printed and kept."""
    return Told(TITLE, as_lines(found), judge(found))


def main() -> int:
    """Run the lists that were named, or all that there are."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.packing", description=__doc__)
    parser.add_argument("lists", nargs="*", help="lists of pods, separated by spaces or commas")
    wanted = parser.parse_args()
    names = [name for part in wanted.lists for name in part.split(",") if name]
    known = openb.list_names()
    if not known:
        parser.error(f"no list of pods in {folder()}/openb: set QD_TRACES")
    if strange := [name for name in names if name not in known]:
        parser.error(f"no list {', '.join(strange)}; there are: {', '.join(known)}")
    try:
        found = run(names or known)
    except NoTraces as error:
        parser.error(str(error))
    told = tell(found)
    print(told)
    return 0 if told.holds else 1


def _packer_of(
    policy: str, hosts: list[Host], pods: dict[int, Pod], seed: int
) -> OurPacker | Packer:
    if policy == "ours":
        return OurPacker(hosts)
    if policy == "FGD":
        return Packer(hosts, Fgd(pods.values()))
    return Packer(hosts, BestFit() if policy == "best fit" else RandomFit(seed))


def _node_of(host: Host) -> Node:
    memory_bytes = MEMORY_GB.get(host.model, 32) * GB
    gpus = tuple(Device(f"{host.name}-{gpu}", host.model, memory_bytes) for gpu in range(host.gpus))
    # Thousandths of CPUs are whole numbers, and nothing else reads them.
    return Node(host.name, host.cpu_milli, host.memory_mib * MIB, gpus)


def _resources_of(pod: Pod) -> Resources:
    models = "|".join(pod.models) or None
    cpus, memory_bytes = pod.cpu_milli, pod.memory_mib * MIB
    if pod.gpus == 1 and pod.gpu_milli < MILLI:
        percent = -(-pod.gpu_milli * 100 // MILLI)
        return Resources(1, models, cpus, memory_bytes, gpu_unit=GpuUnit.SHARE, gpu_percent=percent)
    return Resources(pod.gpus, models if pod.gpus else None, cpus, memory_bytes)


def _spread(values: Sequence[float]) -> str:
    spread = stdev(values) if len(values) > 1 else 0.0
    return f"{mean(values):.2f} ± {spread:.2f}"


if __name__ == "__main__":
    sys.exit(main())
