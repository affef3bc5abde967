"""How long jobs wait, and until they are done, under our orders and those of others.

`python -m benchmarks.queueing [TRACE …]` (or `make bench-queueing TRACES=a,b`) prints a table for
each trace: average completion, average queue (until the first start) and its 99th percentile, in
seconds. The rules of others know all durations, where they use any. Ours is told of each duration

- *±50 %*: that times a factor between 0.5 and 1.5, drawn anew for each seed;
- *×0.1–×10*: that times a factor between a tenth and ten, even on a logarithmic scale;
- *exact*: the duration itself; *no durations*: nothing.

A trace like `muri3` is in plain physics (see `baselines/queueing`); `muri3-charged` is in that of
Muri's simulator, where each placement costs time and all is slower: there the published rows come
out again. Ours is charged for each start, too: for a job's first one what the table says of its
model, for each other one the most that the table has. What it had done is not lost, as nothing is
there.
"""

from __future__ import annotations

import argparse
import sys
from multiprocessing import Pool
from statistics import mean, stdev
from typing import TYPE_CHECKING, Final

from benchmarks.plot import FOLDER, Curve, draw_shares, keep
from benchmarks.queueing_bars import bars_of, proofs_of
from benchmarks.queueing_policies import OURS, follow, policies_for, seeds_of
from benchmarks.queueing_traces import CHARGED, USUAL, known_names, read_trace
from benchmarks.told import Told
from benchmarks.traces import NoTraces, folder
from benchmarks.waits import Waits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.queueing_bars import Found

TITLE: Final = (
    "Seconds until done, in the queue, and its 99th percentile: mean ± standard deviation of seeds"
)


def follow_named(trace: str, policy: str, seed: int) -> Waits:
    """One run, of a trace that is read for it."""
    return follow(read_trace(trace), policy, seed)


def run(names: Sequence[str] = USUAL) -> Found:
    """All traces by all policies."""
    found: Found = {}
    keys = []
    for name in names:
        policies = policies_for(name, is_charged=name.endswith(CHARGED))
        found[name] = {policy: [] for policy in policies}
        keys += [(name, policy, seed) for policy in policies for seed in seeds_of(policy)]
    with Pool() as pool:
        for (name, policy, _), one in zip(keys, pool.starmap(follow_named, keys, 1), strict=True):
            found[name][policy].append(one)
    return found


def as_lines(found: Found) -> list[str]:
    """A table for each trace, ours first."""
    lines = []
    for name, rows in found.items():
        lines.append(f"{name:<20}{'completion':>20}{'queue':>20}{'queue p99':>24}{'made room':>12}")
        for policy, runs in rows.items():
            cells = [
                _spread([one.completion_s for one in runs]),
                _spread([one.queue_s for one in runs]),
                _spread([one.queue_p99_s for one in runs]),
            ]
            cuts = f"{mean(one.cuts for one in runs):,.0f}" if policy in OURS else ""
            lines.append(
                f"{policy:<20}{cells[0]:>20}{cells[1]:>20}{cells[2]:>24}{cuts:>12}".rstrip()
            )
        lines.append("")
    return lines[:-1]


def judge(found: Found) -> list[tuple[str, bool]]:
    """What is said of the run, and whether it holds: first of the rules of others."""
    return [*proofs_of(found), *bars_of(found)]


def plot(found: Found, where: Path) -> list[Path]:
    """A picture for each trace: what share of jobs is done how long after its submission."""
    return [
        keep(
            draw_shares(
                f"Jobs of {name} that are done",
                "seconds since submission",
                [
                    Curve(policy, runs[0].completions_s, policy in OURS)
                    for policy, runs in rows.items()
                ],
            ),
            where / f"queueing_{name}.svg",
        )
        for name, rows in found.items()
    ]


def tell(found: Found) -> Told:
    """What was found, as it is printed and kept."""
    return Told(TITLE, as_lines(found), judge(found))


def main() -> int:
    """Run the traces that were named, or the usual ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.queueing", description=__doc__)
    parser.add_argument("traces", nargs="*", help="traces, separated by spaces or commas")
    wanted = parser.parse_args()
    names = [name for part in wanted.traces for name in part.split(",") if name]
    known = known_names()
    if not known:
        parser.error(f"no traces in {folder()}: set QD_TRACES")
    if strange := [name for name in names if name not in known]:
        parser.error(f"no trace {', '.join(strange)}; there are: {', '.join(known)}")
    try:
        found = run(names or USUAL)
    except NoTraces as error:
        parser.error(str(error))
    told = tell(found)
    print(told)
    print("\n".join(f"pictured in {path}" for path in plot(found, FOLDER)))
    return 0 if told.holds else 1


def _spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:,.0f}"
    return f"{mean(values):,.0f} ± {stdev(values):,.0f}"


if __name__ == "__main__":
    sys.exit(main())
