"""The Slurm engine: our plan decides, Slurm runs.

Each attempt is one batch job on exactly the nodes of its grants, and what it starts there is our
runner, with which we speak through the site's shared folder as on one machine. So Slurm is asked
for three things only: to start, to say which jobs it still has, and what its nodes are. Where it is
silent, what runs goes on, and the runners go on telling.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.slurm.avoided import Avoided
from quarterdeck.adapters.engines.slurm.batch import Places, make_batch, time_limit_s
from quarterdeck.adapters.engines.slurm.beats import Beats
from quarterdeck.adapters.engines.slurm.contents import Contents
from quarterdeck.adapters.engines.slurm.desk import SWEEP_S, Desk, find_batch
from quarterdeck.adapters.engines.slurm.fate import (
    ENDED_LATE,
    NOT_STARTED,
    Fate,
    end_spools,
    fate_of,
    has_settled,
    silent_fate,
)
from quarterdeck.adapters.engines.slurm.gpus import are_all_exact
from quarterdeck.adapters.engines.slurm.grants import grant_of, say_missing
from quarterdeck.adapters.engines.slurm.keys import make_keys
from quarterdeck.adapters.engines.slurm.nodes import Held, make_nodes
from quarterdeck.adapters.engines.slurm.strays import Strays
from quarterdeck.adapters.engines.slurm.tickets import TICKET, Ticket, load_ticket, of_other_engine
from quarterdeck.adapters.engines.slurm.view import PerLook
from quarterdeck.adapters.spool.attempts import Attempts, load_order
from quarterdeck.adapters.spool.news import News
from quarterdeck.adapters.spool.untrusted import Garbled
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import Abilities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
    from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
    from quarterdeck.adapters.engines.slurm.desk import Batch
    from quarterdeck.adapters.engines.slurm.records import SlurmJob
    from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
    from quarterdeck.adapters.spool.attempts import Tracked
    from quarterdeck.adapters.spool.credentials import Credentials
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.ports.engine import AttemptRef, LaunchOrder, Observation

BACKSTOP_S: Final = 30.0
"""After the grace of a stop, when Slurm is told to end what our runner has not ended."""


@dataclass(slots=True)
class _Watch:
    """What is known of a live attempt beside its spools; all of it can be found again. `fate` is
    what was decided of it and is to be written before Slurm is told: Slurm's word on what we had it
    cancel says nothing."""

    tracked: Tracked
    batch: Batch
    grants: tuple[Grant, ...]
    beats: Beats
    kill_at: float | None = None
    fate: Fate | None = None

    @property
    def was_taken_up(self) -> bool:
        """Whether a runner ever began with any of it."""
        return any(spool.was_taken_up for spool in self.tracked.spools)

    @property
    def was_told_to_stop(self) -> bool:
        """Whether that was our wish, or an earlier engine's."""
        spools = self.tracked.spools
        return self.kill_at is not None or any(spool.was_told_to_stop for spool in spools)


class SlurmEngine:
    """An `Engine` on a Slurm cluster. Used by one thread."""

    def __init__(
        self,
        paths: SitePaths,
        home_id: str,
        blobs: FilesystemBlobs,
        commands: SlurmCommands,
        settings: SlurmSettings,
        credentials: Credentials | None = None,
    ) -> None:
        """Asks Slurm once, `Invalid` for a partition that it does not have. When it does not answer
        all is done that needs no Slurm: runners are heard and told to stop."""
        paths.make()
        self._paths = paths
        self._keys = make_keys(home_id, paths)
        self._strays = Strays(self._keys.attempts)
        self._settings = settings
        self._contents = Contents(paths, home_id, blobs)
        self._news = News(paths)
        self._attempts = Attempts(paths, credentials, asks_why=True)
        self._watches: dict[AttemptRef, _Watch] = {}
        self._avoided = Avoided()
        self._listed: PerLook[tuple[Node, ...]] = PerLook()
        self._named: PerLook[dict[str, Node]] = PerLook()
        self._swept_at = -1e9
        self._attempts.find()
        for tracked in self._attempts.live:
            self._find(tracked)
        self._desk = Desk(commands, settings)
        self._sweep(monotonic())

    def close(self) -> None:
        """Ask Slurm no more. What runs goes on."""
        self._desk.close()

    @property
    def problem(self) -> str:
        """Why Slurm does not answer; empty when it does."""
        return self._desk.problem

    @property
    def abilities(self) -> Abilities:
        """Single GPUs only where the site gave each a type of its own, as far as is known."""
        gpus = self._desk.look.gpus.values() if self._desk.has_looked else ()
        return Abilities(
            exact_devices=self._desk.has_looked and are_all_exact(gpus),
            parts=False,
            unlike_replicas=False,
            shares_nodes_with_others=True,
        )

    def list_nodes(self) -> tuple[Node, ...]:
        """The partition's nodes, and what others have of them. `Unavailable` before Slurm has said
        them once."""
        nodes = self._listed.get(self._desk.look, self._make_nodes)
        return self._desk.offer(self._avoided.offer(nodes))

    def _make_nodes(self) -> tuple[Node, ...]:
        held: defaultdict[str, list[Held]] = defaultdict(list)
        for ref, watch in self._watches.items():
            asked = watch.batch.ticket.request
            for grant in watch.grants:
                cpus, memory_bytes = asked.cpus_per_task or 1, asked.memory_bytes or 0
                mine = Held(grant, cpus, memory_bytes, ref.job_id, watch.batch.ticket.job)
                held[grant.node].append(mine)
        return make_nodes(self._desk.look, self._settings, held, int(time()))

    def _nodes_by_name(self) -> Mapping[str, Node]:
        """How each is built, by Slurm's last word."""
        return self._named.get(
            self._desk.look, lambda: {one.name: one for one in self.list_nodes()}
        )

    def launch(self, order: LaunchOrder) -> None:
        """Write every replica's order, then begin to submit one batch job for all of them. What
        Slurm does not take now is asked for again; what it refuses is seen as failed."""
        if not self._attempts.may_launch(order):
            return
        nodes = self._nodes_by_name()
        if missing := say_missing(order.grants, nodes):
            self._attempts.lose(order, missing)
            return
        ref, folder = order.ref, self._paths.attempt(order.ref)
        key, places = self._keys.attempt(ref), Places(folder, self._contents.runner)
        request = make_batch(order, key, nodes, self._desk.look, self._settings, places)
        contents = self._contents.make(order, nodes, time_limit_s(order, self._desk.look.longest_s))
        ticket = Ticket(folder, request, is_asked=self._desk.is_open)
        ticket.save()
        ticket.save_nodes([grant.node for grant in order.grants])
        tracked = self._attempts.write(ref, contents)
        self._submit(self._watch(tracked, ticket, order.grants))

    def stop(self, ref: AttemptRef, grace_s: float) -> None:
        """Leave word for the runners. What Slurm has not started yet is taken back from it."""
        tracked, watch = self._attempts.stop(ref, grace_s), self._watches.get(ref)
        if tracked is None or watch is None:
            return
        kill_at = monotonic() + grace_s + BACKSTOP_S
        watch.kill_at = kill_at if watch.kill_at is None else min(kill_at, watch.kill_at)
        if not watch.was_taken_up:
            if watch.batch.ticket.job is not None:
                self._desk.cancel(watch.batch)
            elif not watch.batch.ticket.is_asked:
                self._end(watch, NOT_STARTED)

    def observe(self) -> list[Observation]:
        """Every attempt that is known. Slurm is asked for all of its jobs at once, now and then."""
        self._attempts.check()
        news = list(self._news.take())
        for ref in news:
            self._attempts.note(ref)
        now = monotonic()
        self._desk.settle()
        self._hear(now)
        if now - self._swept_at >= SWEEP_S:
            self._swept_at = now
            self._sweep(now)
        self._desk.send_cancels()
        found = self._attempts.observe()
        for watch in filter(None, map(self._watches.get, news)):
            self._judge_nodes(watch)
        return found

    def forget(self, refs: Iterable[AttemptRef]) -> None:
        """Move the attempts' folders out of sight, without their work folders; later, where an
        sbatch has still to tell the job's id."""
        refs = [ref for ref in refs if not self._is_underway(ref)]
        for ref in self._attempts.forget(refs):
            self._watches.pop(ref, None)
            self._listed.drop()

    def _find(self, tracked: Tracked) -> None:
        """One that an earlier engine has launched. What was changed of it is given up."""
        folder, comment = self._paths.attempt(tracked.ref), self._keys.attempt(tracked.ref)
        told = f"its {TICKET} is gone"
        try:
            orders = [load_order(spool.folder) or {} for spool in tracked.spools]
            ticket = load_ticket(folder, comment)
            if ticket is not None:
                self._watch(tracked, ticket, [grant_of(order) for order in orders])
                return
            if "pilot" in orders[0]:
                raise of_other_engine(folder, "slurm-pilot")
        except Garbled as error:
            told = str(error)
        # Its batch job is a stray from now on.
        self._attempts.give_up(tracked, told)

    def _watch(self, tracked: Tracked, ticket: Ticket, grants: Sequence[Grant]) -> _Watch:
        beats = Beats(tracked.spools, self._settings.silence_s)
        watch = _Watch(tracked, find_batch(ticket), tuple(grants), beats)
        self._watches[tracked.ref] = watch
        self._listed.drop()  # What is ours of the nodes is another.
        return watch

    def _is_underway(self, ref: AttemptRef) -> bool:
        watch = self._watches.get(ref)
        return watch is not None and watch.batch.is_underway

    def _submit(self, watch: _Watch) -> None:
        def refuse(told: str) -> None:
            self._end(watch, Fate(ReplicaState.EXITED, Reason.SETUP_FAILED, told))

        self._desk.submit(watch.batch, refuse)

    def _hear(self, now: float) -> None:
        """What Slurm's word on each batch job means."""
        if not self._desk.hear(now):
            return
        over: list[tuple[_Watch, SlurmJob | None]] = []
        for tracked in self._attempts.live:
            watch = self._watches[tracked.ref]
            if not self._desk.has_news(watch.batch):
                continue
            job = self._desk.find(watch.batch)
            if watch.fate is not None:
                continue  # Its end is only to be written.
            if watch.batch.ticket.job is None:
                self._ask_again(watch, now)
            elif job is not None and not job.has_ended:
                self._attend(watch, job, now)
            elif has_settled(watch.batch, tracked.spools, now):
                over.append((watch, job))
        self._settle(over)
        live = (self._watches[tracked.ref].batch.ticket for tracked in self._attempts.live)
        watched = {ticket.request.comment: ticket.job for ticket in live}
        self._desk.cancel_strays(self._strays.find(self._desk.look, watched, now))

    def _ask_again(self, watch: _Watch, now: float) -> None:
        """Slurm does not have it."""
        if self._desk.is_in_doubt(watch.batch, now):
            return
        if watch.kill_at is not None:
            self._end(watch, NOT_STARTED)
        elif self._desk.is_due(watch.batch, now):
            self._submit(watch)

    def _attend(self, watch: _Watch, job: SlurmJob, now: float) -> None:
        """One that waits in Slurm, or runs."""
        batch, is_pending = watch.batch, job.state == "PENDING"
        batch.over_since = None
        if watch.kill_at is not None and (is_pending or now >= watch.kill_at):
            self._desk.cancel(batch)
        elif is_pending and self._desk.has_waited(batch, now, job.reason):
            # Slurm may start it before it hears of our mind.
            self._attempts.stop(watch.tracked.ref, 0.0)
            told = f"Slurm did not start it within {self._settings.patience_s:g} s ({job.reason})"
            self._give_up(watch, Fate(ReplicaState.EXITED, Reason.PREEMPTED, told))

    def _settle(self, over: Sequence[tuple[_Watch, SlurmJob | None]]) -> None:
        """Their batch jobs are over, and all last words are heard."""
        words = self._desk.last_words([(watch.batch, job) for watch, job in over])
        for (watch, _), told in zip(over, words, strict=True):
            ticket, was_taken_up = watch.batch.ticket, watch.was_taken_up
            if told[0] == "CANCELLED" and watch.was_told_to_stop:
                fate = ENDED_LATE if was_taken_up else NOT_STARTED
            else:
                fate = fate_of(*told, ticket.read_output(), was_taken_up=was_taken_up)
            if fate.reason is Reason.SETUP_FAILED:
                for grant in watch.grants:
                    self._avoided.add(grant.node, fate.message)
            self._end(watch, fate)

    def _give_up(self, watch: _Watch, fate: Fate) -> None:
        """Whatever becomes of its batch job: first the word, then the deed."""
        if self._end(watch, fate):
            self._desk.cancel(watch.batch)

    def _end(self, watch: _Watch, fate: Fate) -> bool:
        """Give up what has not said how it ended. On a full disk it is tried again with the next
        sweep."""
        watch.fate = fate
        is_written = end_spools(watch.tracked.ref, watch.tracked.spools, fate)
        self._attempts.refresh(watch.tracked)
        self._judge_nodes(watch)
        return is_written

    def _judge_nodes(self, watch: _Watch) -> None:
        for spool, grant in zip(watch.tracked.spools, watch.grants, strict=True):
            self._avoided.judge(spool.sighting, grant.node)

    def _sweep(self, now: float) -> None:
        """Read every live spool, and find runners that fell silent."""
        for tracked in self._attempts.live:
            self._attempts.read(tracked)
            watch = self._watches[tracked.ref]
            if tracked.is_gone:
                self._judge_nodes(watch)
                continue
            self._attempts.renew(tracked)
            if watch.fate is not None:
                self._give_up(watch, watch.fate)
            elif self._desk.is_asleep(watch.batch):
                watch.beats.pardon(now)
            elif watch.beats.find_silent(now):
                self._give_up(watch, silent_fate("its runner", self._settings.silence_s))
