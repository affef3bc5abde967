"""The suites that compare ours with others on public traces, all told in the same way: a table, and
what it is held to, with yes or NO. The GPUs, durations and sizes are those of the traces, so that a
suite tells the same on any machine; only seconds of a decision are of this one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from benchmarks import fairness, openb, packing, plot, queueing
from benchmarks.traces import NoTraces, folder

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Told:
    """What a suite has found: a title, the lines of its tables, and what holds."""

    title: str
    lines: list[str]
    said: list[tuple[str, bool]]

    @property
    def holds(self) -> bool:
        """Whether nothing was missed."""
        return all(holds for _, holds in self.said)

    def __str__(self) -> str:
        """As it is printed and kept."""
        verdicts = [f"{'yes' if holds else 'NO ':<4} {what}" for what, holds in self.said]
        return "\n".join([self.title, "", *self.lines, "", *verdicts])


def _packing() -> Told:
    names = openb.list_names()
    if not names:
        raise NoTraces(f"no list of pods in {folder()}/openb: set QD_TRACES")
    found = packing.run(names)
    title = "GPUs that stay unused, % of all: mean ± standard deviation over the seeds"
    return Told(title, packing.as_lines(found), packing.judge(found))


def _queueing() -> Told:
    found = queueing.run()
    queueing.plot(found, plot.FOLDER)
    return Told(queueing.TITLE, queueing.as_lines(found), queueing.judge(found))


def _fairness() -> Told:
    found = fairness.run()
    return Told(fairness.TITLE, fairness.as_lines(found), fairness.judge(found))


SUITES: Final[dict[str, Callable[[], Told]]] = {
    "packing": _packing,
    "queueing": _queueing,
    "fairness": _fairness,
}
