"""Whether jobs start when they are promised to, and how well run times are learned.

`python -m benchmarks.promises [TRACE …]` (or `make bench-promises TRACES=a,b`) lets each trace run
through `sim/fast` under the usual policy. A job that does not start at once is promised a start as
soon as it waits, by the look ahead, the run times learned from what had ended until then, and the
bounds that earlier promises have taught (`sim/fast/promising`). Beside it the empirical quantiles
of all waits that were over by then, of jobs of the same number of GPUs (of all, where none was).

- *within*: the share of starts within the bounds that half, and nine in ten, should keep;
- *width*: of these bounds, the median in seconds;
- *pinball*: the mean loss of the quantiles 5, 25, 50, 75 and 95 % (Koenker and Bassett, "Regression
  Quantiles", Econometrica 1978), in seconds; less is better.

Run times are foretold at each submission from the runs that had ended by then, as if every job had
started at once, and told by how often they are within a factor of two, and by the median factor.
"""

from __future__ import annotations

import argparse
import sys
from bisect import insort
from dataclasses import dataclass
from heapq import heappop, heappush
from multiprocessing import Pool
from statistics import mean, median
from typing import TYPE_CHECKING, Final

import numpy as np

from benchmarks.gangs import build_cluster
from benchmarks.promises_runtimes import LEARNED_ON, as_lines_of_learned, judge_learned, learn
from benchmarks.queueing_traces import known_names, read_trace
from benchmarks.told import Told
from benchmarks.traces import NoTraces, folder
from quarterdeck.core.scheduling.calibration import LEVELS
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.promising import Promising
from quarterdeck.sim.fast.run import run as run_fast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.promises_runtimes import Learned
    from quarterdeck.sim.fast.promising import Promised

    Rows = dict[str, dict[str, "Row"]]

BARRED: Final = ("itp04", "itp02", "itp03")
"""What has to meet all bars. The longest first: two run at a time."""
SEEN: Final = ("itp05", "itp01")
"""Looked at as well when the constants of the bounds were chosen."""
HELD_OUT: Final = ("itp03@24", "itp01@10", "helios-vc6YE", "helios-vcpDC", "helios-vc3sl")
"""Looked at only afterwards: clusters of another company, and jobs as above on a fifth or a quarter
more nodes."""
USUAL: Final = (*BARRED, *SEEN, *HELD_OUT)
HALF_BAR: Final = (0.45, 0.55)
MOST_BAR: Final = (0.88, 0.95)
WIDTH_BAR: Final = 2.0
TITLE: Final = "Promised starts, and what all waits so far of jobs with as many GPUs would promise"


@dataclass(frozen=True, slots=True)
class Row:
    """How promises of one kind did on a trace. See the module."""

    starts: int
    within_half: float
    within_most: float
    width_half_s: float
    width_most_s: float
    pinball_s: float


@dataclass(frozen=True, slots=True)
class Found:
    """Promises by trace and kind, and run times by trace and rule."""

    promises: Rows
    learned: dict[str, Learned]


def follow(name: str) -> dict[str, Row]:
    """One trace."""
    trace = read_trace(name)
    promising = Promising()
    run_fast(build_cluster(trace.nodes), trace.jobs, Policy(), watch=promising)
    return rows_of([one for one in promising.promised.values() if one.wait_s is not None])


def rows_of(promised: Sequence[Promised]) -> dict[str, Row]:
    """Ours and the history's, on the same starts: those with some history before them."""
    history = _by_history(promised)
    both = [
        (one.wait_s, one.spread, spread)
        for one, spread in zip(promised, history, strict=True)
        if spread is not None and one.wait_s is not None
    ]
    waits = [wait_s for wait_s, _, _ in both]
    return {
        "ours": row_of(waits, [ours for _, ours, _ in both]),
        "history by shape": row_of(waits, [theirs for _, _, theirs in both]),
    }


def row_of(waits: Sequence[float], spreads: Sequence[Sequence[float]]) -> Row:
    """What came of promises with these quantiles."""
    widths = [(high - low, top - bottom) for bottom, low, _, high, top in spreads]
    pairs = [*zip(waits, spreads, strict=True)]
    return Row(
        len(waits),
        mean(low <= wait_s <= high for wait_s, (_, low, _, high, _) in pairs),
        mean(low <= wait_s <= high for wait_s, (low, _, _, _, high) in pairs),
        median(half_s for half_s, _ in widths),
        median(most_s for _, most_s in widths),
        mean(pinball_s(wait_s, spread) for wait_s, spread in pairs),
    )


def pinball_s(wait_s: float, spread: Sequence[float]) -> float:
    """The mean loss of the quantiles."""
    return mean(
        max(level * (wait_s - value), (level - 1) * (wait_s - value))
        for level, value in zip(LEVELS, spread, strict=True)
    )


def _by_history(promised: Sequence[Promised]) -> list[tuple[float, ...] | None]:
    """The quantiles of the waits that were over when each was promised; None before there were
    any."""
    over: dict[float, list[float]] = {}
    coming: list[tuple[float, int]] = []
    found: list[tuple[float, ...] | None] = []
    for number, one in enumerate(promised):
        while coming and coming[0][0] <= one.at_s:
            past = promised[heappop(coming)[1]]
            assert past.wait_s is not None
            for key in (past.job.gpus, -1.0):
                insort(over.setdefault(key, []), past.wait_s)
        waits = over.get(one.job.gpus) or over.get(-1.0)
        found.append(None if not waits else tuple(np.quantile(waits, LEVELS).tolist()))
        assert one.wait_s is not None
        heappush(coming, (one.at_s + one.wait_s, number))
    return found


def run(names: Sequence[str] = USUAL) -> Found:
    """All traces."""
    with Pool(2) as pool:
        rows = pool.map_async(follow, names, 1)
        learned = pool.map(learn, LEARNED_ON, 1)
        return Found(
            dict(zip(names, rows.get(), strict=True)),
            dict(zip(LEARNED_ON, learned, strict=True)),
        )


def as_lines(promises: Rows) -> list[str]:
    """A table for all traces."""
    titles = ("within 50 %", "within 90 %", "width 50 %", "width 90 %", "pinball")
    widths = (13, 13, 12, 12, 10)
    head = f"{'trace':<14}{'promised by':<18}{'starts':>8}"
    lines = [head + "".join(f"{one:>{wide}}" for one, wide in zip(titles, widths, strict=True))]
    lines += [
        f"{name:<14}{kind:<18}{row.starts:>8,}{row.within_half:>13.1%}{row.within_most:>13.1%}"
        f"{row.width_half_s:>12,.0f}{row.width_most_s:>12,.0f}{row.pinball_s:>10,.0f}"
        for name, rows in promises.items()
        for kind, row in rows.items()
    ]
    return lines


def judge(promises: Rows) -> Iterable[tuple[str, bool]]:
    """What is said of the promises, and whether it holds."""
    for name, rows in promises.items():
        ours, history = rows["ours"], rows["history by shape"]
        for told, share, (low, high) in (
            ("50 %", ours.within_half, HALF_BAR),
            ("90 %", ours.within_most, MOST_BAR),
        ):
            said = f"{name}: {share:.1%} of starts within the bounds of {told}"
            yield f"{said} ({low:.0%} to {high:.0%})", low <= share <= high
        if name in (*SEEN, *HELD_OUT):
            continue  # a history that covers a fifth of all starts is no measure of widths
        for told, mine, theirs in (
            ("50 %", ours.width_half_s, history.width_half_s),
            ("90 %", ours.width_most_s, history.width_most_s),
        ):
            said = f"{name}: width of {told} {mine:,.0f} s ≤ {WIDTH_BAR:g} × {theirs:,.0f} s"
            yield said, mine <= WIDTH_BAR * theirs
        said = f"{name}: pinball {ours.pinball_s:,.0f} s < {history.pinball_s:,.0f} s"
        yield f"{said} (history by shape)", ours.pinball_s < history.pinball_s


def tell(found: Found) -> Told:
    """What was found, as it is printed and kept."""
    lines = [*as_lines(found.promises), "", *as_lines_of_learned(found.learned)]
    return Told(TITLE, lines, [*judge(found.promises), *judge_learned(found.learned)])


def main() -> int:
    """Run the traces that were named, or the usual ones."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.promises", description=__doc__)
    parser.add_argument("traces", nargs="*", help="traces, separated by spaces or commas")
    wanted = parser.parse_args()
    names = [name for part in wanted.traces for name in part.split(",") if name]
    known = known_names()
    if not known:
        parser.error(f"no traces in {folder()}: set QD_TRACES")
    if strange := [name for name in names if name.partition("@")[0] not in known]:
        parser.error(f"no trace {', '.join(strange)}; there are: {', '.join(known)}")
    try:
        found = run(names or USUAL)
    except NoTraces as error:
        parser.error(str(error))
    told = tell(found)
    print(told)
    return 0 if told.holds else 1


if __name__ == "__main__":
    sys.exit(main())
