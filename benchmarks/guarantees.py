"""Whether teams get what they are guaranteed when they want it, and what that costs the cluster.

`python -m benchmarks.guarantees` runs what four virtual clusters of SenseTime's Earth wanted in May
2020 (how jobs are made of it: `benchmarks.helios`) on one cluster of as many nodes as the four have
together: first come, and with each guaranteed as many whole nodes as it has. A job loses what it
did since its last checkpoint, half an hour ago at most.

A guarantee is violated while the first job of a team that its nodes could ever take has waited for
more than 60 seconds though they could take it now, with what else of the team runs where it runs
(the invariant of HiveD, Zhao et al., OSDI 2020). That is counted from starts and ends alone, and on
the safe side: nodes where others have anything count as full. Beside it stands how long each team
would wait alone on nodes of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from statistics import mean
from typing import TYPE_CHECKING, Final

from benchmarks import helios
from benchmarks.baselines.queueing import WIDTH
from benchmarks.gangs import build_cluster
from benchmarks.told import Told, print_told
from quarterdeck.core.scheduling.pools import Cells, Pool
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.run import run as simulate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quarterdeck.sim.fast.story import Ran, Story
    from quarterdeck.sim.fast.workload import SimJob

TITLE: Final = "Four teams of Earth in May 2020, first come and with guaranteed nodes"
DAY: Final = "2020-05-01"
CHECKPOINT_S: Final = 1800.0
PATIENCE_S: Final = 60.0
MAY_S: Final = 31 * 86_400.0
KEPT: Final = 0.97
LOST: Final = 0.02
FREELY: Final = Policy(nearness_patience_s=0, pod_patience_s=0)
"""Nothing here knows where nodes stand."""


@dataclass(frozen=True, slots=True)
class Shared:
    """One run on the shared cluster: GPU hours held in May, minutes of violations of each team,
    runs that made room, the share of GPU time lost by it, and each team's mean wait in minutes."""

    held_gpu_h: float
    violated_min: Mapping[str, float]
    made_room: int
    lost: float
    wait_min: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Found:
    """All of it."""

    freely: Shared
    guaranteed: Shared
    alone_min: Mapping[str, float]
    nodes: Mapping[str, int]


def run() -> Found:
    """All runs."""
    gpus = helios.read_gpus(DAY)
    nodes = {team: gpus[team] // WIDTH for team in helios.CLUSTERS}
    jobs = _read_jobs()
    pools = tuple(Pool(team, (Cells(count),)) for team, count in sorted(nodes.items()))
    cluster = build_cluster(sum(nodes.values()))
    freely = simulate(cluster, jobs, FREELY)
    guaranteed = simulate(cluster, jobs, replace(FREELY, pools=pools))
    alone = {}
    for team, count in nodes.items():
        story = simulate(build_cluster(count), [job for job in jobs if job.team == team], FREELY)
        alone[team] = mean(one.wait_s for one in story.ran) / 60
    return Found(_measure(freely, nodes), _measure(guaranteed, nodes), alone, nodes)


def violations(story: Story, nodes: Mapping[str, int]) -> dict[str, float]:
    """Minutes of each team; see the module."""
    return {team: _violated_s(story, team, count) / 60 for team, count in nodes.items()}


def as_lines(found: Found) -> list[str]:
    """A row for each team, and what is of all together."""
    columns = (
        ("", 0), ("nodes", 15), ("violated, first come", 24), ("guaranteed", 14),
        ("mean wait, alone", 20), ("first come", 14), ("guaranteed", 14),
    )  # fmt: skip
    lines = ["".join(f"{name:>{width}}" for name, width in columns)]
    for team, count in found.nodes.items():
        lines.append(
            f"{team:<8}{count:>7}"
            f"{found.freely.violated_min[team]:>20,.0f} min"
            f"{found.guaranteed.violated_min[team]:>10,.0f} min"
            f"{found.alone_min[team]:>16,.1f} min"
            f"{found.freely.wait_min[team]:>10,.1f} min"
            f"{found.guaranteed.wait_min[team]:>10,.1f} min"
        )
    lines.append("")
    for name, one in (("first come", found.freely), ("guaranteed", found.guaranteed)):
        lines.append(
            f"{name}: {one.held_gpu_h:,.0f} GPU hours held in May, {one.made_room} runs made room, "
            f"{100 * one.lost:.2f} % of the GPU time lost by it"
        )
    return lines


def judge(found: Found) -> list[tuple[str, bool]]:
    """What it is held to."""
    violated = sum(found.guaranteed.violated_min.values())
    share = found.guaranteed.held_gpu_h / found.freely.held_gpu_h
    lost = found.guaranteed.lost
    return [
        (f"violations of more than {PATIENCE_S:.0f} s: {violated:.0f} min = 0", violated == 0),
        (f"GPU time held: {100 * share:.1f} % ≥ {100 * KEPT:.0f} % of first come", share >= KEPT),
        (f"GPU time lost: {100 * lost:.2f} % ≤ {100 * LOST:.0f} %", lost <= LOST),
    ]


def tell(found: Found) -> Told:
    """What was found, as it is printed and kept."""
    return Told(TITLE, as_lines(found), judge(found))


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guarantees", description=__doc__)
    parser.parse_args()
    return print_told(parser, lambda: tell(run()))


def _read_jobs() -> list[SimJob]:
    jobs = [job for team in helios.CLUSTERS for job in helios.read_jobs(team)]
    jobs.sort(key=lambda job: job.submit_s)
    return [
        replace(job, line=line, checkpoint_s=CHECKPOINT_S) for line, job in enumerate(jobs, start=1)
    ]


def _measure(story: Story, nodes: Mapping[str, int]) -> Shared:
    waits: dict[str, list[float]] = defaultdict(list)
    held_gpu_s = lost_gpu_s = 0.0
    for one in story.ran:
        waits[one.job.team].append(one.wait_s / 60)
        lost_gpu_s += one.lost_s * one.job.gpus
        for span in one.spans:
            held_s = min(span.end_s, MAY_S) - min(span.start_s, MAY_S)
            held_gpu_s += held_s * one.job.gpus
    return Shared(
        held_gpu_s / 3600,
        violations(story, nodes),
        sum(len(one.spans) - 1 for one in story.ran),
        lost_gpu_s / held_gpu_s,
        {team: mean(one) for team, one in waits.items()},
    )


def _violated_s(story: Story, team: str, guarantee: int) -> float:
    held = _Held(team)
    waiting: dict[int, tuple[float, Ran]] = {}
    violated_s = 0.0
    for at_s, changes in _with_next(sorted(_changes(story), key=lambda change: change[:3])):
        now_s, until_s = at_s
        for _, kind, line, one, number in changes:
            if kind == _WAITS and one.job.team == team:
                waiting[line] = (now_s, one)
            elif kind != _WAITS:
                held.change(one, number, 1 if kind == _STARTS else -1)
                if kind == _STARTS:
                    waiting.pop(line, None)
        able = (pair for pair in waiting.values() if pair[1].job.demand.nodes <= guarantee)
        first = min(able, key=lambda pair: (pair[1].job.submit_s, pair[1].job.line), default=None)
        if first is not None and held.could_take(first[1].job, guarantee):
            violated_s += max(0.0, until_s - max(now_s, first[0] + PATIENCE_S))
    return violated_s


_ENDS, _WAITS, _STARTS = 0, 1, 2
_Change = tuple[float, int, int, "Ran", int]


def _changes(story: Story) -> Iterator[_Change]:
    """Who waits, starts and ends when; at one time ends come first."""
    for one in story.ran:
        yield one.job.submit_s, _WAITS, one.job.line, one, 0
        for number, span in enumerate(one.spans):
            yield span.start_s, _STARTS, one.job.line, one, number
            yield span.end_s, _ENDS, one.job.line, one, number
            if number + 1 < len(one.spans):
                yield span.end_s, _WAITS, one.job.line, one, number


def _with_next(
    changes: Sequence[_Change],
) -> Iterator[tuple[tuple[float, float], list[_Change]]]:
    """What changes at one time, with when something changes next."""
    groups = [(at_s, list(group)) for at_s, group in groupby(changes, key=lambda one: one[0])]
    for (at_s, group), (next_s, _) in pairwise(groups):
        yield (at_s, next_s), group


class _Held:
    """What is held of each node, by a team and by all."""

    def __init__(self, team: str) -> None:
        self._team = team
        self._mine: Counter[str] = Counter()
        self._all: Counter[str] = Counter()

    def change(self, one: Ran, number: int, sign: int) -> None:
        """An attempt starts or ends."""
        for grant in one.spans[number].grants:
            self._all[grant.node] += sign * len(grant.devices)
            if one.job.team == self._team:
                self._mine[grant.node] += sign * len(grant.devices)

    def could_take(self, job: SimJob, guarantee: int) -> bool:
        """Whether so many nodes, those of them where the team runs and others that are empty, have
        room for one more job."""
        gpus = job.demand.resources.gpus
        mine = [node for node, held in self._mine.items() if held]
        room = sum(
            self._all[node] == self._mine[node] and self._mine[node] + gpus <= WIDTH
            for node in mine
        )
        return len(mine) + max(0, job.demand.nodes - room) <= guarantee


if __name__ == "__main__":
    sys.exit(main())
