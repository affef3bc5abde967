"""How many of the MIG slices that are asked for are served, by our scheduler and by simple rules.

`python -m benchmarks.mig [MIX …]` prints for each mix of profiles and each load how much was served
of the compute slices asked for, ours first. What does not fit when it comes is lost; a move costs
nothing here but is counted.
"""

from __future__ import annotations

import argparse
import sys
from multiprocessing import Pool
from statistics import mean, stdev
from typing import TYPE_CHECKING, Final

from benchmarks.baselines.mig import RULES, AnyFit, TableRule
from benchmarks.slice_servers import OurServer, RuleServer, Served, serve
from benchmarks.slices import (
    MEMORY_GIB,
    MIXES,
    PLAIN,
    draw_mixes,
    draw_requests,
    profiles_to_ask_for,
)
from benchmarks.told import Told
from quarterdeck.core.scheduling.snapshot import Policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TITLE: Final = (
    "Compute slices served, % of those asked for: mean ± standard deviation over the seeds"
)
SEEDS: Final = range(42, 62)
SEEDS_UNMOVED: Final = 5
"""Without moves ours is looked at for so many of them: nothing is held to it, and it takes long."""
LOADS: Final = (0.85, 1.0)
WORKERS: Final = 2
UNMOVED: Final = "ours"
OURS: Final = {UNMOVED: Policy(), "ours+moves": Policy(moves_max=2, moves_percent=5.0)}
CHANCE: Final = "random"
POLICIES: Final = (*OURS, CHANCE, *RULES)
PUBLISHED: Final = {
    ("uniform", 0.85): (84.9, 95.1, 96.9, 97.4, 69.7, 97.2, 95.1),
    ("small", 0.85): (83.3, 97.9, 98.4, 98.8, 77.6, 97.8, 94.9),
    ("big", 0.85): (92.5, 95.3, 96.4, 96.8, 76.9, 98.2, 97.9),
    ("bimodal", 0.85): (86.4, 95.5, 97.3, 97.5, 61.9, 97.8, 97.5),
    ("uniform", 1.0): (74.2, 85.1, 87.5, 87.4, 65.9, 87.6, 86.2),
    ("small", 1.0): (75.0, 87.5, 88.0, 88.3, 68.3, 86.6, 86.6),
    ("big", 1.0): (82.8, 85.4, 87.4, 87.3, 68.5, 89.5, 89.3),
    ("bimodal", 1.0): (74.9, 84.6, 88.4, 88.8, 55.0, 89.2, 88.8),
}
"""What another run of chance and the six rules gave, the mean of three seeds."""
NEAR: Final = 2.5
"""Points: three seeds differ from three others by about so much at most."""
GAIN: Final = 1.0
ROWS: Final = 4
ROWS_WITH_GAIN: Final = 0.75
"""Of the rows at load 1.0; fewer rows than four are not judged by it."""
MOVED_MAX: Final = 5.0
FAST_S: Final = 1e-3

Row = tuple[str, float]
Found = dict[Row, dict[str, list[Served]]]


def run_one(
    shares: Sequence[float], load: float, policy: str, seed: int, model: str = PLAIN
) -> Served:
    """One mix at one load, by one policy, with the requests of one seed."""
    profiles = profiles_to_ask_for(model)
    requests = draw_requests(shares, load, seed, profiles)
    if policy in OURS:
        return serve(OurServer(OURS[policy], model), requests)
    rule = AnyFit(seed) if policy == CHANCE else TableRule(profiles, RULES[policy])
    return serve(RuleServer(rule), requests)


def run(
    mixes: Mapping[str, Sequence[float]],
    loads: Sequence[float] = LOADS,
    seeds: Sequence[int] = SEEDS,
    model: str = PLAIN,
) -> Found:
    """All mixes at all loads by all policies, each with the same requests for everybody."""
    keys = [
        ((name, load), policy, (shares, load, policy, seed, model))
        for load in loads
        for name, shares in mixes.items()
        for policy in POLICIES
        for seed in (seeds[:SEEDS_UNMOVED] if policy == UNMOVED else seeds)
    ]
    found: Found = {}
    with Pool(WORKERS) as pool:
        served = pool.starmap(run_one, [arguments for *_, arguments in keys], 1)
    for (row, policy, _), one in zip(keys, served, strict=True):
        found.setdefault(row, {}).setdefault(policy, []).append(one)
    return found


def best_rule(by_policy: Mapping[str, Sequence[Served]]) -> str:
    """The rule that serves most slices on average."""
    return max(RULES, key=lambda rule: mean(one.slices for one in by_policy[rule]))


def gain(by_policy: Mapping[str, Sequence[Served]], policy: str) -> tuple[float, float]:
    """How many points of slices a policy serves more than the best rule, and the standard error of
    that, over pairs of the same requests."""
    mine, best = by_policy[policy], by_policy[best_rule(by_policy)]
    pairs = zip(mine, best[: len(mine)], strict=True)
    more = [ours.slices - theirs.slices for ours, theirs in pairs]
    return mean(more), stdev(more) / len(more) ** 0.5 if len(more) > 1 else 0.0


def as_lines(found: Found) -> list[str]:
    """A header, and for each mix and load the slices, the requests, and what we gain."""
    lines = [f"{'mix':<10} {'load':>4}  " + "  ".join(f"{policy:>13}" for policy in POLICIES)]
    for (name, load), by_policy in found.items():
        slices = [_spread([one.slices for one in by_policy[policy]]) for policy in POLICIES]
        requests = [f"({mean(one.requests for one in by_policy[p]):.1f})" for p in POLICIES]
        lines.append(f"{name:<10} {load:>4}  " + "  ".join(f"{cell:>13}" for cell in slices))
        lines.append(f"{'requests':>15}  " + "  ".join(f"{cell:>13}" for cell in requests))
        gains = [f"{policy} {_gain(by_policy, policy)}" for policy in OURS]
        lines.append(f"{'':>15}  against {best_rule(by_policy)}: {', '.join(gains)}")
    return lines


def judge(found: Found) -> list[tuple[str, bool]]:
    """What is said of the run, and whether it holds."""
    said = []
    for row, by_policy in found.items():
        if row in PUBLISHED:
            rules = (CHANCE, *RULES)
            off = {
                rule: mean(one.slices for one in by_policy[rule]) - published
                for rule, published in zip(rules, PUBLISHED[row], strict=True)
            }
            worst = max(off, key=lambda rule: abs(off[rule]))
            told = f"rules as elsewhere on {row[0]} at {row[1]}: {worst} {off[worst]:+.1f}"
            said.append((f"{told} (within {NEAR})", abs(off[worst]) <= NEAR))
    moving = [*OURS][-1]
    for (name, load), by_policy in found.items():
        more = gain(by_policy, moving)[0]
        said.append(
            (f"{moving} at least the best rule on {name} at {load}: {more:+.2f}", more >= 0)
        )
    full = {row: gain(by_policy, moving)[0] for row, by_policy in found.items() if row[1] == 1.0}
    if len(full) >= ROWS:
        count = sum(more >= GAIN for more in full.values())
        told = f"{moving} {GAIN} points above the best rule at load 1.0: {count} of {len(full)}"
        said.append((f"{told} rows", count >= ROWS_WITH_GAIN * len(full)))
    moved = max(mean(one.moved for one in by_policy[moving]) for by_policy in found.values())
    said.append((f"moves, of requests served: {moved:.1f} % at most", moved <= MOVED_MAX))
    slowest = max(
        mean(one.seconds for one in by_policy[policy])
        for by_policy in found.values()
        for policy in OURS
    )
    said.append((f"slowest decision on average: {1e3 * slowest:.2f} ms", slowest < FAST_S))
    return said


def tell(found: Found) -> Told:
    """What was found, as it is printed and kept."""
    return Told(TITLE, as_lines(found), judge(found))


def main() -> int:
    """Run the mixes that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mig", description=__doc__)
    parser.add_argument("mixes", nargs="*", help=f"of {', '.join(MIXES)}")
    parser.add_argument("--drawn", type=int, metavar="N", help="N mixes by chance instead")
    parser.add_argument("--model", choices=MEMORY_GIB, default=PLAIN, help="of the GPUs")
    wanted = parser.parse_args()
    names = wanted.mixes or [*MIXES]
    if strange := [name for name in names if name not in MIXES]:
        parser.error(f"no mix {', '.join(strange)}; there are: {', '.join(MIXES)}")
    profiles = len(profiles_to_ask_for(wanted.model))
    if not wanted.drawn and any(len(MIXES[name]) != profiles for name in names):
        parser.error(f"{wanted.model} has {profiles} profiles: these mixes are of six; use --drawn")
    mixes = draw_mixes(wanted.drawn, wanted.model) if wanted.drawn else None
    found = run(mixes or {name: MIXES[name] for name in names}, model=wanted.model)
    told = tell(found)
    print(told)
    return 0 if told.holds else 1


def _gain(by_policy: Mapping[str, Sequence[Served]], policy: str) -> str:
    more, error = gain(by_policy, policy)
    moved = mean(one.moved for one in by_policy[policy])
    return f"{more:+.2f} ± {error:.2f} with {moved:.1f} % moved"


def _spread(values: Sequence[float]) -> str:
    spread = stdev(values) if len(values) > 1 else 0.0
    return f"{mean(values):.2f} ± {spread:.2f}"


if __name__ == "__main__":
    sys.exit(main())
