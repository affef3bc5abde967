"""Where our batch jobs are handed in, looked for and cancelled, whatever they are for.

Slurm may have taken a job although nobody said so, and it may be silent for a while. So a job is
known by its comment, and what Slurm said last holds until it says something new.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.slurm.failures import Cause, SlurmRefused
from quarterdeck.adapters.engines.slurm.view import ClusterView
from quarterdeck.basics.errors import Invalid, Unavailable
from quarterdeck.core.cluster.hardware import NodeState

if TYPE_CHECKING:
    from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
    from quarterdeck.adapters.engines.slurm.records import SlurmJob
    from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
    from quarterdeck.adapters.engines.slurm.tickets import Ticket
    from quarterdeck.core.cluster.hardware import Node

AWAY_S: Final = 30.0
"""How long Slurm may be silent until nothing new is sent there: other sites may do better."""
RETRY_S: Final = (1.0, 30.0)
"""The first and the longest pause before Slurm is asked again for what it did not take."""
REFUSAL_S: Final = 3 * RETRY_S[1]
"""For how long a refusal of the whole site holds that no other has confirmed: whoever was refused
asks again before."""
OF_THE_SITE: Final = frozenset(
    {Cause.PARTITION, Cause.ACCOUNT, Cause.QOS, Cause.RESERVATION, Cause.NOT_ALLOWED}
)
"""Why Slurm may refuse every job of a site, through no fault of the job's."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Batch:
    """A batch job of ours: as it was asked for, and since when what is so. One is doubtful while an
    sbatch that outlives its server may still hand it in."""

    ticket: Ticket
    tried_at: float = -1e9
    pause_s: float = 0.0
    is_doubtful: bool = False
    pending_since: float | None = None
    over_since: float | None = None


def find_batch(ticket: Ticket) -> Batch:
    """One that an earlier engine asked for."""
    return Batch(ticket, is_doubtful=ticket.is_being_submitted())


class Desk:
    """See the module. `look` is what Slurm said last."""

    def __init__(self, commands: SlurmCommands, settings: SlurmSettings) -> None:
        """Asks Slurm once. `Unavailable` when it does not answer, `Invalid` for a partition that
        it does not have."""
        self._commands = commands
        self._settings = settings
        self._view = ClusterView(commands, settings.partition)
        self._view.ask()
        look = self._view.take(wait=True)
        assert look is not None
        self.look = look
        self._silence = ""
        self._refusal = ""
        self._refused_at = self._refused_since = -1e9
        self._asked_at = -1e9
        self._heard_at = monotonic()

    def close(self) -> None:
        """Ask Slurm no more."""
        self._view.close()

    @property
    def problem(self) -> str:
        """Why Slurm does not answer, or takes no job of this site; empty when all is well."""
        if not self._silence and monotonic() - self._refused_at < REFUSAL_S:
            return self._refusal
        return self._silence

    def hear(self, now: float) -> bool:
        """Take what Slurm has answered meanwhile, and ask again now and then; says whether there
        is something new. While it is silent all is as it was."""
        try:
            look = self._view.take()
        except (Invalid, SlurmRefused, Unavailable) as error:
            self._silence = f"{error}; {error.hint}" if error.hint else str(error)
            look = None
        if now - self._asked_at >= self._settings.poll_s:
            self._asked_at = now
            self._view.ask()
        if look is None:
            return False
        self.look, self._silence, self._heard_at = look, "", now
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

    def submit(self, batch: Batch) -> str:
        """Hand it in; says why Slurm refused it for good, if it did. Once slurmctld is known to be
        away there is no use in asking before it is back."""
        if self._silence:
            return ""
        ticket = batch.ticket
        batch.tried_at = monotonic()
        batch.pause_s = min(RETRY_S[1], max(RETRY_S[0], 2 * batch.pause_s))
        ticket.is_asked = True
        ticket.save()
        try:
            with ticket.submitting() as lock:
                ticket.job = self._commands.submit(ticket.request, [lock])
        except SlurmRefused as refusal:
            ticket.is_asked = False
            ticket.save()
            if refusal.cause is Cause.LIMIT:
                log.warning("%s waits: %s", ticket.request.comment, refusal)
                return ""
            hint = f"; {refusal.hint}" if refusal.hint else ""
            if refusal.cause in OF_THE_SITE:
                log.warning("%s waits: %s", ticket.request.comment, refusal)
                self._note_refusal(f"Slurm takes no jobs of this site: {refusal}{hint}")
                return ""
            return f"Slurm refused it: {refusal}{hint}"
        except Unavailable as error:
            # It may have been taken all the same: the next look searches for its comment.
            log.warning("submit of %s: %s", ticket.request.comment, error)
        else:
            ticket.save()
            self._refusal, self._refused_at = "", -1e9
        return ""

    def _note_refusal(self, told: str) -> None:
        now = monotonic()
        if now - self._refused_at >= REFUSAL_S:
            self._refused_since = now
        self._refusal, self._refused_at = told, now

    def has_news(self, batch: Batch) -> bool:
        """Whether the last look is from after it was handed in."""
        return batch.tried_at <= self.look.asked_at

    def is_due(self, batch: Batch, now: float) -> bool:
        """Whether one that Slurm does not have may be handed in again."""
        return now - batch.tried_at >= batch.pause_s

    def is_in_doubt(self, batch: Batch, now: float) -> bool:
        """Whether Slurm may yet be handed one that it does not have. When that is over, only a
        look from after it tells."""
        if not batch.is_doubtful:
            return False
        batch.is_doubtful, batch.tried_at = batch.ticket.is_being_submitted(), now
        return True

    def find(self, batch: Batch) -> SlurmJob | None:
        """Slurm's word on it; also where it took it and nobody heard."""
        ticket = batch.ticket
        if ticket.job is not None:
            return self.look.jobs.get(ticket.job)
        job = self.look.by_comment.get(ticket.request.comment)
        if job is not None:
            ticket.job = job.id
            ticket.save()
        return job

    def has_waited(self, batch: Batch, now: float) -> bool:
        """Whether Slurm has let it wait for longer than the site's patience, from the first time
        that this is asked: the plan saw room for it, and others were quicker."""
        batch.pending_since = batch.pending_since or now
        return now - batch.pending_since >= self._settings.patience_s

    def recall(self, batch: Batch) -> tuple[str, str]:
        """State and reason, the last that Slurm knows of a job that it lists no more."""
        assert batch.ticket.job is not None
        try:
            for one in self._commands.ended_jobs([batch.ticket.job]).items:
                return one.state, one.reason
        except (SlurmRefused, Unavailable) as error:
            log.info("%s", error)
        return "", ""

    def cancel(self, batch: Batch) -> None:
        """End it, if Slurm is known to have it."""
        if batch.ticket.job is not None:
            self.cancel_job(batch.ticket.job)

    def cancel_job(self, job: int) -> None:
        """End one that nobody knows any more."""
        try:
            self._commands.cancel([job])
        except (SlurmRefused, Unavailable) as error:
            log.warning("batch job %d could not be cancelled: %s", job, error)
