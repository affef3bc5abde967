"""Batch jobs on their way into Slurm: several sbatch(1) at once, beside everything else.

Each takes as long as slurmctld takes to answer, so one after the other they would be most of what
an engine does while many small jobs are launched.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
    from quarterdeck.adapters.engines.slurm.tickets import Ticket

AT_ONCE: Final = 4
"""So many sbatch: beyond that they wait for each other in slurmctld."""


class HandIns:
    """See the module. Only `close` waits."""

    def __init__(self, commands: SlurmCommands) -> None:
        self._commands = commands
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="sbatch")
        self._underway: list[tuple[Future[int], Callable[[Future[int]], None]]] = []

    def begin(self, ticket: Ticket, end: Callable[[Future[int]], None]) -> None:
        """Hand it in; `end` is called by `settle` with the id that Slurm gave it, or its error."""
        self._underway.append((self._pool.submit(self._hand_in, ticket), end))

    def settle(self) -> None:
        """Tell of those that Slurm has answered. What `end` raises is passed on, and the others are
        told of by the next call."""
        for one in [one for one in self._underway if one[0].done()]:
            self._underway.remove(one)
            answer, end = one
            end(answer)

    def close(self) -> None:
        """Begin no other, and wait for those that are under way: what they did is found again by
        the next engine."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _hand_in(self, ticket: Ticket) -> int:
        with ticket.submitting() as lock:
            return self._commands.submit(ticket.request, [lock])
