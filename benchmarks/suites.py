"""The suites that compare ours with others on public traces, all told in the same way: a table, and
what it is held to, with yes or NO. The GPUs, durations and sizes are those of the traces, so that a
suite tells the same on any machine; only seconds of a decision are of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks import (
    fairness,
    guarantees,
    mig,
    openb,
    packing,
    plot,
    promises,
    queueing,
    topology,
)
from benchmarks.traces import NoTraces, folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.told import Told


def _packing() -> Told:
    names = openb.list_names()
    if not names:
        raise NoTraces(f"no list of pods in {folder()}/openb: set QD_TRACES")
    return packing.tell(packing.run(names))


def _queueing() -> Told:
    found = queueing.run()
    queueing.plot(found, plot.FOLDER)
    return queueing.tell(found)


SUITES: Final[dict[str, Callable[[], Told]]] = {
    "packing": _packing,
    "queueing": _queueing,
    "promises": lambda: promises.tell(promises.run()),
    "fairness": lambda: fairness.tell(fairness.run()),
    "guarantees": lambda: guarantees.tell(guarantees.run()),
    "topology": lambda: topology.tell(topology.run(topology.LOADS)),
    "mig": lambda: mig.tell(mig.run(mig.MIXES)),
}
