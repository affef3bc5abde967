"""The Slurm engine: our plan decides, Slurm runs.

Each attempt is one batch job on exactly the nodes of its grants, and what it starts there is our
runner, with which we speak through the site's shared folder as on one machine. So Slurm is asked
for three things only: to start, to say which jobs it still has, and what its nodes are. Where it is
silent, what runs goes on, and the runners go on telling.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from dataclasses import dataclass, field, replace
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.slurm.batch import Places, make_batch, name_key, time_limit_s
from quarterdeck.adapters.engines.slurm.failures import Cause, SlurmRefused
from quarterdeck.adapters.engines.slurm.fate import Fate, fate_of
from quarterdeck.adapters.engines.slurm.nodes import Held, make_nodes
from quarterdeck.adapters.engines.slurm.tickets import Ticket, load_ticket
from quarterdeck.adapters.engines.slurm.view import ClusterView
from quarterdeck.adapters.spool.attempts import Attempts, load_json
from quarterdeck.adapters.spool.carried import carry_runner
from quarterdeck.adapters.spool.doors import make_door, shut_door
from quarterdeck.adapters.spool.inside import make_inside
from quarterdeck.adapters.spool.news import News
from quarterdeck.adapters.spool.orders import make_order, make_snapshot
from quarterdeck.basics.errors import Invalid, Unavailable
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import Abilities

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
    from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
    from quarterdeck.adapters.engines.slurm.records import SlurmJob
    from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
    from quarterdeck.adapters.spool.attempts import Tracked
    from quarterdeck.adapters.spool.credentials import Credentials
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.adapters.spool.replica import Spool
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.ports.engine import AttemptRef, LaunchOrder, Observation

SWEEP_S: Final = 5.0
"""How often spools are read of which no news came, and beats are looked at."""
AWAY_S: Final = 30.0
"""How long Slurm may be silent until nothing new is sent there: other sites may do better."""
SETTLE_S: Final = 3.0
"""After Slurm's word that a job has ended, how long its runners' last words may be on their way."""
BACKSTOP_S: Final = 30.0
"""After the grace of a stop, when Slurm is told to end what our runner has not ended."""
RETRY_S: Final = (1.0, 30.0)
"""The first and the longest pause before Slurm is asked again for what it did not take."""
HIDDEN: Final = ("SLURM_", "SBATCH_", "SRUN_", "SLURMD_", "SALLOC_", "PMI", "PMIX")
"""Of the environment: frameworks that find these take over the launch, and launch it twice."""
SKEW_S_MAX: Final = 60.0
LOOK_S: Final = 0.5
"""How often a runner looks for word from us, as nobody can poke it from another machine."""
LOOK_OF_GANG_S: Final = 0.1
"""Each of a gang waits for all others to stand."""
NOT_STARTED: Final = Fate(
    ReplicaState.EXITED, Reason.STOPPED_AT_SITE, "it was stopped before it was started"
)
log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Watch:
    """What is known of a live attempt beside its spools; all of it can be found again."""

    tracked: Tracked
    ticket: Ticket
    grants: tuple[Grant, ...]
    tried_at: float = -1e9
    pause_s: float = 0.0
    is_doubtful: bool = False
    pending_since: float | None = None
    over_since: float | None = None
    kill_at: float | None = None
    beats: dict[int, tuple[int, float]] = field(default_factory=dict)

    @property
    def was_taken_up(self) -> bool:
        """Whether a runner ever began with any of it."""
        return any(spool.was_taken_up for spool in self.tracked.spools)


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
        """Asks Slurm once. `Unavailable` when it does not answer, `Invalid` for a partition that
        it does not have."""
        paths.make()
        self._paths = paths
        self._home_id = home_id
        self._blobs = blobs
        self._commands = commands
        self._settings = settings
        self._inside = make_inside(paths)
        self._runner = carry_runner(paths)
        self._news = News(paths)
        self._attempts = Attempts(paths, credentials, asks_why=True)
        self._view = ClusterView(commands, settings.partition)
        self._watches: dict[AttemptRef, _Watch] = {}
        self._polled_at = self._swept_at = -1e9
        self._heard_at = monotonic()
        self.problem = ""
        """Why Slurm does not answer; empty when it does."""
        self._attempts.find()
        for tracked in self._attempts.live:
            ticket = load_ticket(paths.attempt(tracked.ref))
            self._watch(tracked, ticket, [_load_grant(spool.folder) for spool in tracked.spools])
        self._view.ask()
        look = self._view.take(wait=True)
        assert look is not None
        self._look = look
        self._sweep(monotonic())

    def close(self) -> None:
        """Ask Slurm no more. What runs goes on."""
        self._view.close()

    @property
    def abilities(self) -> Abilities:
        """Single GPUs only where the site gave each a type of its own."""
        gpus = [one for one in self._look.gpus.values() if one.types]
        return Abilities(
            exact_devices=all(one.are_exact for one in gpus),
            parts=False,
            unlike_replicas=False,
            shares_nodes_with_others=True,
        )

    def list_nodes(self) -> tuple[Node, ...]:
        """The partition's nodes, and what others have of them."""
        held: defaultdict[str, list[Held]] = defaultdict(list)
        for ref, watch in self._watches.items():
            asked = watch.ticket.request
            for grant in watch.grants:
                cpus, memory_bytes = asked.cpus_per_task or 1, asked.memory_bytes or 0
                mine = Held(grant, cpus, memory_bytes, ref.job_id, watch.ticket.job)
                held[grant.node].append(mine)
        nodes = make_nodes(self._look, self._settings, held, int(time()))
        if not self.problem or monotonic() - self._heard_at < AWAY_S:
            return nodes
        away = f"Slurm does not answer: {self.problem}"
        return tuple(
            replace(node, state=NodeState.DRAINED, reason=away)
            if node.state is NodeState.READY
            else node
            for node in nodes
        )

    def launch(self, order: LaunchOrder) -> None:
        """Write every replica's order, then submit one batch job for all of them. What Slurm does
        not take now is asked for again; what it refuses is seen as failed."""
        if not self._attempts.may_launch(order):
            return
        nodes = {node.name: node for node in self.list_nodes()}
        absent = [grant.node for grant in order.grants if grant.node not in nodes]
        if absent:
            self._attempts.lose(order, f"the site has no node {', '.join(absent)} any more")
            return
        ref, folder = order.ref, self._paths.attempt(order.ref)
        key, places = name_key(self._home_id, ref), Places(folder, self._runner)
        request = make_batch(order, key, nodes, self._look, self._settings, places)
        beside = {
            "snapshot": make_snapshot(order.spec.snapshot, self._blobs),
            "blobs_dir": str(self._blobs.root),
            "inside": str(self._inside),
            "news": str(self._paths.news),
            "look_s": LOOK_S if len(order.grants) == 1 else LOOK_OF_GANG_S,
            "is_kept": True,
            "skew_s_max": SKEW_S_MAX,
            "env_hidden": HIDDEN,
            "devices_from": "CUDA_VISIBLE_DEVICES" if order.grants[0].devices else None,
            "time_limit_s": time_limit_s(order, self._look.longest_s),
        }
        contents = [
            make_door(
                self._paths.replica(ref, rank),
                make_order(order, rank, nodes[grant.node], self._home_id, self._paths) | beside,
            )
            for rank, grant in enumerate(order.grants)
        ]
        ticket = Ticket(folder, request)
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
            if watch.ticket.job is not None:
                self._cancel(watch)
            elif not watch.ticket.is_asked:
                self._end(watch, NOT_STARTED)

    def observe(self) -> list[Observation]:
        """Every attempt that is known. Slurm is asked for all of its jobs at once, now and then."""
        for ref in self._news.take():
            self._attempts.note(ref)
        now = monotonic()
        self._hear(now)
        if now - self._polled_at >= self._settings.poll_s:
            self._polled_at = now
            self._view.ask()
        if now - self._swept_at >= SWEEP_S:
            self._swept_at = now
            self._sweep(now)
        return self._attempts.observe()

    def forget(self, refs: Iterable[AttemptRef]) -> None:
        """Move the attempts' folders out of sight, without their work folders."""
        for ref in self._attempts.forget(refs):
            self._watches.pop(ref, None)

    def _watch(self, tracked: Tracked, ticket: Ticket, grants: Sequence[Grant]) -> _Watch:
        watch = _Watch(tracked, ticket, tuple(grants), is_doubtful=ticket.is_being_submitted())
        self._watches[tracked.ref] = watch
        return watch

    def _submit(self, watch: _Watch) -> None:
        """Once slurmctld is known to be away there is no use in asking before it is back."""
        if self.problem:
            return
        ticket, ref = watch.ticket, watch.tracked.ref
        watch.tried_at = monotonic()
        watch.pause_s = min(RETRY_S[1], max(RETRY_S[0], 2 * watch.pause_s))
        ticket.is_asked = True
        ticket.save()
        try:
            with ticket.submitting() as lock:
                ticket.job = self._commands.submit(ticket.request, [lock])
        except SlurmRefused as refusal:
            ticket.is_asked = False
            ticket.save()
            if refusal.cause is Cause.LIMIT:
                log.warning("%s/%d waits: %s", *ref, refusal)
                return
            hint = f"; {refusal.hint}" if refusal.hint else ""
            told = f"Slurm refused it: {refusal}{hint}"
            self._end(watch, Fate(ReplicaState.EXITED, Reason.SETUP_FAILED, told))
        except Unavailable as error:
            # It may have been taken all the same: the next look searches for its comment.
            log.warning("submit of %s/%d: %s", *ref, error)
        else:
            ticket.save()

    def _hear(self, now: float) -> None:
        """What Slurm has answered meanwhile. While it is silent all is as it was."""
        try:
            look = self._view.take()
        except (Invalid, SlurmRefused, Unavailable) as error:
            self.problem = f"{error}; {error.hint}" if error.hint else str(error)
            return
        if look is None:
            return
        self._look, self.problem, self._heard_at = look, "", now
        for tracked in self._attempts.live:
            watch = self._watches[tracked.ref]
            if watch.tried_at > look.asked_at:
                continue  # What it says is from before the job was submitted.
            if watch.ticket.job is None:
                self._find_job(watch, now)
            else:
                self._judge(watch, look.jobs.get(watch.ticket.job), now)

    def _find_job(self, watch: _Watch, now: float) -> None:
        """Slurm may have taken it although nobody said so; otherwise submit it again."""
        job = self._look.by_comment.get(watch.ticket.request.comment)
        if job is not None:
            watch.ticket.job = job.id
            watch.ticket.save()
            self._judge(watch, job, now)
        elif watch.is_doubtful:
            watch.is_doubtful, watch.tried_at = watch.ticket.is_being_submitted(), now
        elif watch.kill_at is not None:
            self._end(watch, NOT_STARTED)
        elif now - watch.tried_at >= watch.pause_s:
            self._submit(watch)

    def _judge(self, watch: _Watch, job: SlurmJob | None, now: float) -> None:
        """What Slurm's word on its batch job means for it."""
        if job is not None and not job.has_ended:
            watch.over_since = None
            if watch.kill_at is not None and now >= watch.kill_at:
                self._cancel(watch)
            elif job.state == "PENDING":
                self._wait_for_start(watch, job, now)
            return
        watch.over_since = watch.over_since or now
        for spool in watch.tracked.spools:
            spool.read()
        is_told = all(spool.has_ended for spool in watch.tracked.spools)
        if is_told or now - watch.over_since >= SETTLE_S:
            state, reason = (job.state, job.reason) if job is not None else self._recall(watch)
            said = watch.ticket.read_output()
            self._end(watch, fate_of(state, reason, said, was_taken_up=watch.was_taken_up))

    def _wait_for_start(self, watch: _Watch, job: SlurmJob, now: float) -> None:
        """The plan saw room for it. When Slurm does not, others were quicker."""
        watch.pending_since = watch.pending_since or now
        patience_s = self._settings.patience_s
        if now - watch.pending_since >= patience_s:
            self._cancel(watch)
            told = f"Slurm did not start it within {patience_s:g} s ({job.reason})"
            self._end(watch, Fate(ReplicaState.EXITED, Reason.PREEMPTED, told))

    def _recall(self, watch: _Watch) -> tuple[str, str]:
        """The last that Slurm knows of a job that it lists no more."""
        assert watch.ticket.job is not None
        try:
            for one in self._commands.ended_jobs([watch.ticket.job]).items:
                return one.state, one.reason
        except (SlurmRefused, Unavailable) as error:
            log.info("%s", error)
        return "", ""

    def _cancel(self, watch: _Watch) -> None:
        if watch.ticket.job is None:
            return
        try:
            self._commands.cancel([watch.ticket.job])
        except (SlurmRefused, Unavailable) as error:
            log.warning("batch job %d could not be cancelled: %s", watch.ticket.job, error)

    def _end(self, watch: _Watch, fate: Fate) -> None:
        """Give up what has not said how it ended, and keep out whatever of it may live on. On a
        full disk it is tried again with Slurm's next word."""
        try:
            for spool in watch.tracked.spools:
                if spool.unexplained is not None and not fate.explains:
                    spool.explain()
                elif not spool.sighting.state.is_gone:
                    shut_door(spool.folder)
                    spool.end(fate.state, fate.reason, fate.message)
        except Unavailable as error:
            log.warning("the end of %s/%d cannot be written yet: %s", *watch.tracked.ref, error)
        self._attempts.refresh(watch.tracked)

    def _sweep(self, now: float) -> None:
        """Read every live spool, and find runners that fell silent."""
        for tracked in self._attempts.live:
            self._attempts.read(tracked)
            if tracked.is_gone:
                continue
            self._attempts.renew(tracked)
            watch = self._watches[tracked.ref]
            if any(self._is_lost(watch, spool, now) for spool in tracked.spools):
                self._cancel(watch)
                told = f"its runner has said nothing for {self._settings.silence_s:g} s"
                self._end(watch, Fate(ReplicaState.LOST, Reason.NODE_FAILURE, told))

    def _is_lost(self, watch: _Watch, spool: Spool, now: float) -> bool:
        """Whether a runner that began has not beaten for too long, by our own clock: whatever that
        of the node says, a beat that stays the same is none."""
        if spool.has_ended or not spool.was_taken_up:
            return False
        beat_ns, rank = spool.read_beat_ns(), spool.sighting.node_rank
        last_ns, since = watch.beats.get(rank, (-1, now))
        if beat_ns != last_ns:
            watch.beats[rank] = (beat_ns, now)
            return False
        return now - since >= self._settings.silence_s


def _load_grant(folder: Path) -> Grant:
    """What a replica was granted, as its order says."""
    order = load_json(folder / "order.json")
    assert order is not None, folder
    limits = order["limits"]
    return Grant(order["node"], tuple(order["devices"]), limits["cpus"], limits["memory_bytes"])
