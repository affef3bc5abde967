"""Where our batch jobs are handed in, looked for and cancelled, whatever they are for.

Slurm may have taken a job although nobody said so, and it may be silent for a while. So a job is
known by its comment, and what Slurm said last holds until it says something new.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass, replace
from functools import partial
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.slurm.failures import Cause, SlurmRefused
from quarterdeck.adapters.engines.slurm.handins import HandIns
from quarterdeck.adapters.engines.slurm.view import ClusterView, rank_of
from quarterdeck.basics.errors import Invalid, Unavailable
from quarterdeck.core.cluster.hardware import NodeState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
    from quarterdeck.adapters.engines.slurm.records import SlurmJob
    from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
    from quarterdeck.adapters.engines.slurm.tickets import Ticket
    from quarterdeck.adapters.engines.slurm.view import Look
    from quarterdeck.basics.errors import QuarterdeckError
    from quarterdeck.core.cluster.hardware import Node

AWAY_S: Final = 30.0
"""How long Slurm may be silent until nothing new is sent there: other sites may do better."""
SWEEP_S: Final = 5.0
"""How often engines read spools of which no news came, and look at beats."""
RETRY_S: Final = (1.0, 30.0)
"""The first and the longest pause before Slurm is asked again for what it did not take."""
REFUSAL_S: Final = 3 * RETRY_S[1]
"""For how long a refusal of the whole site holds that no other has confirmed: whoever was refused
asks again before."""
OF_THE_SITE: Final = frozenset(
    {Cause.PARTITION, Cause.ACCOUNT, Cause.QOS, Cause.RESERVATION, Cause.NOT_ALLOWED}
)
"""Why Slurm may refuse every job of a site, through no fault of the job's."""
_LIMITS: Final = re.compile(r"(?:Assoc|QOS|Max)\w*(?<!PerJob)(?<!PerJobLimit)")
"""Reasons of squeue(1) for which a job waits until others of the same account have ended; those
that speak of one job alone never pass."""
_NO_LIMITS: Final = ("QOSNotAllowed",)
_ASLEEP: Final = ("SUSPENDED", "STOPPED")
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Batch:
    """A batch job of ours: as it was asked for, and since when what is so. One is doubtful while an
    sbatch that outlives its server may still hand it in. `looks_left`: so many looks are to lack it
    before it is handed in again, as slurmctld may take one late whose sbatch was given up.
    `is_underway`: an sbatch of ours hands it in now."""

    ticket: Ticket
    is_underway: bool = False
    tried_at: float = -1e9
    pause_s: float = 0.0
    is_doubtful: bool = False
    looks_left: int = 0
    pending_since: float | None = None
    over_since: float | None = None


def find_batch(ticket: Ticket) -> Batch:
    """One that an earlier engine asked for."""
    looks_left = int(ticket.is_asked and ticket.job is None)
    return Batch(ticket, is_doubtful=ticket.is_being_submitted(), looks_left=looks_left)


def waits_for_limit(reason: str) -> bool:
    """Whether Slurm has a job wait because of what its account runs already."""
    return bool(_LIMITS.fullmatch(reason)) and reason not in _NO_LIMITS


class Desk:
    """See the module. While Slurm does not answer, nothing but the next look is asked of it: each
    question could wait for half a minute."""

    def __init__(self, commands: SlurmCommands, settings: SlurmSettings) -> None:
        """Asks Slurm once. `Invalid` for a partition that it does not have."""
        self._commands = commands
        self._settings = settings
        self._view = ClusterView(commands, settings.partition)
        self._hand_ins = HandIns(commands)
        self._look: Look | None = None
        self._silence = ""
        self._refusal = ""
        self._refused_at = self._refused_since = -1e9
        self._asked_at = -1e9
        self._heard_at = monotonic()
        self._to_cancel: dict[int, str] = {}
        """With the comment of each."""
        self._view.ask()
        try:
            self._look = self._view.take(wait=True)
        except (SlurmRefused, Unavailable) as error:
            self._note(error)

    @property
    def has_looked(self) -> bool:
        """Whether Slurm has ever answered."""
        return self._look is not None

    @property
    def look(self) -> Look:
        """What Slurm said last. `Unavailable` before its first word."""
        if self._look is None:
            raise Unavailable(f"Slurm has not answered yet: {self.problem}")
        return self._look

    def close(self) -> None:
        """Ask Slurm no more."""
        self._hand_ins.close()
        self._view.close()

    @property
    def problem(self) -> str:
        """Why Slurm does not answer, or takes no job of this site; empty when all is well."""
        if not self._silence and monotonic() - self._refused_at < REFUSAL_S:
            return self._refusal
        return self._silence

    @property
    def is_open(self) -> bool:
        """Whether a batch job that comes now is handed in at once."""
        return not self._silence

    def hear(self, now: float) -> bool:
        """Take what Slurm has answered meanwhile, and ask again now and then; says whether there
        is something new. While it is silent all is as it was."""
        try:
            look = self._view.take()
        except (Invalid, SlurmRefused, Unavailable) as error:
            self._note(error)
            look = None
        if now - self._asked_at >= self._settings.poll_s:
            self._asked_at = now
            self._view.ask()
        if look is None:
            return False
        self._look, self._silence, self._heard_at = look, "", now
        return True

    def offer(self, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        """The nodes as they are, or none of them for new work when Slurm has been silent, or has
        refused the site's jobs, for long."""
        since = self._heard_at if self._silence else self._refused_since
        if not self.problem or monotonic() - since < AWAY_S:
            return nodes
        away = f"Slurm does not answer: {self._silence}" if self._silence else self.problem
        return tuple(
            replace(node, state=NodeState.DRAINED, reason=away)
            if node.state is NodeState.READY
            else node
            for node in nodes
        )

    def submit(self, batch: Batch, refuse: Callable[[str], None]) -> None:
        """Begin to hand it in. `settle` calls `refuse` with why Slurm refused it for good, if it
        does. Once slurmctld is known to be away there is no use in asking before it is back."""
        if not self.is_open:
            return
        batch.pause_s = min(RETRY_S[1], max(RETRY_S[0], 2 * batch.pause_s))
        if not batch.ticket.is_asked:
            batch.ticket.is_asked = True
            batch.ticket.save()
        self._hand_ins.begin(batch.ticket, partial(self._hear_of, batch, refuse))
        batch.is_underway = True

    def settle(self) -> None:
        """Take what has become of what was handed in."""
        self._hand_ins.settle()

    def _hear_of(self, batch: Batch, refuse: Callable[[str], None], answer: Future[int]) -> None:
        batch.is_underway, batch.tried_at = False, monotonic()
        if answer.cancelled():
            self._take_back(batch)
            return
        try:
            batch.ticket.job = answer.result()
        except SlurmRefused as refusal:
            self._hear_refusal(batch, refuse, refusal)
        except Unavailable as error:
            # It may have been taken all the same, or will be: looks search for its comment.
            batch.looks_left = 1
            self._note(error)
            self._hand_ins.call_off()
            log.warning("submit of %s: %s", batch.ticket.request.comment, error)
        else:
            batch.ticket.save()
            self._refusal, self._refused_at = "", -1e9

    def _hear_refusal(
        self, batch: Batch, refuse: Callable[[str], None], refusal: SlurmRefused
    ) -> None:
        self._take_back(batch)
        hint = f"; {refusal.hint}" if refusal.hint else ""
        if refusal.cause is not Cause.LIMIT and refusal.cause not in OF_THE_SITE:
            refuse(f"Slurm refused it: {refusal}{hint}")
            return
        log.warning("%s waits: %s", batch.ticket.request.comment, refusal)
        if refusal.cause in OF_THE_SITE:
            self._note_refusal(f"Slurm takes no jobs of this site: {refusal}{hint}")

    def _take_back(self, batch: Batch) -> None:
        """Slurm does not have it."""
        batch.ticket.is_asked = False
        batch.ticket.save()

    def _note_refusal(self, told: str) -> None:
        now = monotonic()
        if now - self._refused_at >= REFUSAL_S:
            self._refused_since = now
        self._refusal, self._refused_at = told, now

    def has_news(self, batch: Batch) -> bool:
        """Whether the last look was asked for after it was handed in."""
        return not batch.is_underway and batch.tried_at <= self.look.asked_at

    def is_due(self, batch: Batch, now: float) -> bool:
        """Whether one that Slurm does not have may be handed in again."""
        return now - batch.tried_at >= batch.pause_s

    def is_in_doubt(self, batch: Batch, now: float) -> bool:
        """Whether Slurm may yet be handed one that it does not have. When that is over, only a
        look from after it tells."""
        if batch.is_doubtful:
            batch.is_doubtful, batch.tried_at = batch.ticket.is_being_submitted(), now
            return True
        batch.looks_left -= 1
        return batch.looks_left >= 0

    def find(self, batch: Batch) -> SlurmJob | None:
        """Slurm's word on it; also where it took it and nobody heard. It may have taken it twice:
        then the one that runs is the one that is meant."""
        ticket = batch.ticket
        job = self.look.jobs.get(ticket.job) if ticket.job is not None else None
        if job is not None and job.comment != ticket.request.comment:
            job = None  # What the ticket says of it is not of ours.
        other = self.look.by_comment.get(ticket.request.comment)
        known = -1 if ticket.job is None else 0 if job is None else rank_of(job)
        if other is None or rank_of(other) <= known:
            return job
        ticket.job = other.id
        ticket.save()
        return other

    def is_asleep(self, batch: Batch) -> bool:
        """Whether Slurm has stopped all of its processes, for now: they cannot beat."""
        if self._look is None or batch.ticket.job is None:
            return False
        job = self._look.jobs.get(batch.ticket.job)
        return job is not None and job.state in _ASLEEP

    def has_waited(self, batch: Batch, now: float, reason: str = "") -> bool:
        """Whether Slurm has let it wait for longer than the site's patience, from the first time
        that this is asked: the plan saw room for it, and others were quicker. That it waits for a
        limit on what runs (`reason`) does not count."""
        if waits_for_limit(reason):
            batch.pending_since = None
            return False
        batch.pending_since = batch.pending_since or now
        return now - batch.pending_since >= self._settings.patience_s

    def last_words(self, over: Sequence[tuple[Batch, SlurmJob | None]]) -> list[tuple[str, str]]:
        """State and reason of jobs that are over, in their order: as listed, or the last that the
        accounting knows of those that Slurm lists no more, all asked for at once."""
        known = self._recall(batch for batch, job in over if job is None)
        return [
            (job.state, job.reason) if job else known.get(batch.ticket.job or 0, ("", ""))
            for batch, job in over
        ]

    def _recall(self, batches: Iterable[Batch]) -> Mapping[int, tuple[str, str]]:
        jobs = [batch.ticket.job for batch in batches if batch.ticket.job is not None]
        if not jobs:
            return {}
        try:
            return {
                one.id: (one.state, one.reason) for one in self._commands.ended_jobs(jobs).items
            }
        except (SlurmRefused, Unavailable) as error:
            log.info("%s", error)
        return {}

    def cancel(self, batch: Batch) -> None:
        """End it with the next `send_cancels`, if Slurm is known to have it."""
        if batch.ticket.job is not None:
            self._to_cancel[batch.ticket.job] = batch.ticket.request.comment

    def cancel_strays(self, jobs: Iterable[int]) -> None:
        """End those that nobody knows any more."""
        for job in jobs:
            log.warning("Slurm job %d is ours and nobody knows it: it is cancelled", job)
            self._to_cancel[job] = self.look.jobs[job].comment

    def send_cancels(self) -> None:
        """End all that are to be ended, as soon as Slurm answers."""
        if not self._to_cancel or not self.is_open or self._look is None:
            return
        known = self._look.jobs
        wanted = (
            job
            for job, comment in self._to_cancel.items()
            if job not in known or known[job].comment == comment
        )
        try:
            self._commands.cancel(sorted(wanted))
        except Unavailable as error:
            log.warning("batch jobs cannot be cancelled yet: %s", error)
            self._note(error)
            return
        except SlurmRefused as refusal:
            log.warning("batch jobs could not be cancelled: %s", refusal)
        self._to_cancel.clear()

    def _note(self, error: QuarterdeckError) -> None:
        self._silence = f"{error}; {error.hint}" if error.hint else str(error)
