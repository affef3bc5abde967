"""Slurm as a landlord: pilots hold whole nodes, and our own runners pack jobs into them.

A pilot is a batch job of one node, made when the plan places the first job there and given back
when nothing has run there for a while. So Slurm is asked once for a node, not once for a job, and a
job under a pilot gets just the devices of its grant, or parts of them, whatever Slurm can do.
"""

from __future__ import annotations

import logging
from itertools import chain
from time import monotonic, time
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.slurm.avoided import FAULT_S, Avoided
from quarterdeck.adapters.engines.slurm.contents import Contents
from quarterdeck.adapters.engines.slurm.desk import SWEEP_S, Desk
from quarterdeck.adapters.engines.slurm.fate import (
    NOT_STARTED,
    Fate,
    end_spools,
    has_settled,
    pilot_fate_of,
    silent_fate,
)
from quarterdeck.adapters.engines.slurm.grants import say_missing
from quarterdeck.adapters.engines.slurm.keys import make_keys
from quarterdeck.adapters.engines.slurm.passengers import Passengers
from quarterdeck.adapters.engines.slurm.pilot_limits import check_order
from quarterdeck.adapters.engines.slurm.pilot_nodes import free_nodes, make_pilot_nodes
from quarterdeck.adapters.engines.slurm.pilots import Pilots
from quarterdeck.adapters.engines.slurm.strays import Strays
from quarterdeck.adapters.engines.slurm.view import PerLook
from quarterdeck.adapters.spool.attempts import Attempts
from quarterdeck.adapters.spool.news import News
from quarterdeck.adapters.spool.untrusted import Garbled
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import Abilities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
    from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
    from quarterdeck.adapters.engines.slurm.passengers import Passenger
    from quarterdeck.adapters.engines.slurm.pilots import Pilot
    from quarterdeck.adapters.engines.slurm.records import SlurmJob
    from quarterdeck.adapters.engines.slurm.settings import PilotSettings
    from quarterdeck.adapters.spool.credentials import Credentials
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.ports.engine import AttemptRef, LaunchOrder, Observation

WELL: Final = ("told", "abandoned", "time")
"""Last words of pilots that ended as they were to."""
log = logging.getLogger(__name__)


class PilotEngine:
    """An `Engine` on nodes of a Slurm cluster that pilots hold. Used by one thread."""

    def __init__(
        self,
        paths: SitePaths,
        home_id: str,
        blobs: FilesystemBlobs,
        commands: SlurmCommands,
        settings: PilotSettings,
        credentials: Credentials | None = None,
    ) -> None:
        """Asks Slurm once, `Invalid` for a partition that it does not have. When it does not answer
        all is done that needs no Slurm: runners are heard and told to stop."""
        paths.make()
        self._settings = settings
        self._contents = Contents(paths, home_id, blobs)
        self._news = News(paths)
        self._attempts = Attempts(paths, credentials, asks_why=True)
        self._attempts.find()
        keys = make_keys(home_id, paths)
        self._strays = Strays(keys.pilots)
        self._pilots = Pilots(paths, keys, settings, self._contents.runner)
        self._passengers = Passengers(paths, self._pilots, settings.slurm.silence_s)
        for tracked in self._attempts.live:
            try:
                self._passengers.find(tracked)
            except Garbled as error:
                self._attempts.give_up(tracked, str(error))
        self._avoided = Avoided()
        self._swept_at = -1e9
        self._named: PerLook[dict[str, Node]] = PerLook()
        self._desk = Desk(commands, settings.slurm)
        self._sweep(monotonic())

    def close(self) -> None:
        """Ask Slurm no more. What runs goes on, and the pilots stay until they are idle for long
        and nobody comes back."""
        self._desk.close()

    @property
    def problem(self) -> str:
        """Why Slurm does not answer; empty when it does."""
        return self._desk.problem

    @property
    def abilities(self) -> Abilities:
        """All that our own runners can do."""
        return Abilities(shares_nodes_with_others=True)

    def list_nodes(self) -> tuple[Node, ...]:
        """The partition's nodes: those that are held, those that may be, and what others have.
        `Unavailable` before Slurm has said them once."""
        look, avoided = self._desk.look, self._avoided.reasons()
        nodes = make_pilot_nodes(look, self._settings, self._holding(), avoided, time())
        return self._desk.offer(self._avoided.offer(nodes))

    def launch(self, order: LaunchOrder) -> None:
        """Write every replica's order, and hand each to the pilot of its node, which is made where
        there is none."""
        if not self._attempts.may_launch(order):
            return
        nodes = self._nodes_by_name()
        if missing := say_missing(order.grants, nodes):
            self._attempts.lose(order, missing)
            return
        places = check_order(order, self._desk.look, self._settings)
        contents = self._contents.make(order, nodes, order.spec.time_limit_s, places)
        for content in contents:
            content["pilot"] = self._pilot_on(content["node"]).number
        tracked = self._attempts.write(order.ref, contents)
        for passenger in self._passengers.add(tracked, contents):
            self._board(passenger)

    def stop(self, ref: AttemptRef, grace_s: float) -> None:
        """Leave word for the runners. An order that no pilot has taken is taken back."""
        tracked = self._attempts.stop(ref, grace_s)
        if tracked is None:
            return
        for one in self._passengers.of(ref):
            if not one.spool.was_taken_up and (one.pilot is None or one.take_back()):
                self._end(one, NOT_STARTED)
        self._attempts.refresh(tracked)

    def observe(self) -> list[Observation]:
        """Every attempt that is known. Slurm is asked for all of its jobs at once, now and then."""
        self._attempts.check()
        news = list(self._news.take())
        for ref in news:
            self._attempts.note(ref)
        now = monotonic()
        self._desk.settle()
        if self._desk.hear(now):
            self._hear(now)
        if now - self._swept_at >= SWEEP_S:
            self._swept_at = now
            self._sweep(now)
        self._desk.send_cancels()
        found = self._attempts.observe()
        for one in chain.from_iterable(map(self._passengers.of, news)):
            self._avoided.judge(one.spool.sighting, one.node)
        return found

    def forget(self, refs: Iterable[AttemptRef]) -> None:
        """Move the attempts' folders out of sight, without their work folders."""
        for ref in self._attempts.forget(refs):
            self._passengers.drop(ref)

    def _holding(self) -> dict[str, Pilot]:
        """The pilots by node, also those that have not begun; of a node with two the newer."""
        return {pilot.node: pilot for pilot in self._pilots}

    def _nodes_by_name(self) -> Mapping[str, Node]:
        """As of Slurm's last word: how each is built, and what is reserved of it."""
        return self._named.get(
            self._desk.look, lambda: {one.name: one for one in self.list_nodes()}
        )

    def _board(self, one: Passenger) -> None:
        """Hand it to the pilot of its node. When the disk or Slurm do not take that now, it is
        tried again with the next sweep."""
        try:
            if self._pilots.current(one.node) is None and one.node not in self._nodes_by_name():
                told = f"the site has no node {one.node} any more"
                self._end(one, Fate(ReplicaState.LOST, Reason.NODE_FAILURE, told))
                return
            while not one.board(pilot := self._pilot_on(one.node)):
                pass  # It has just ended.
            if pilot.is_new:
                self._submit(pilot)
        except Unavailable as error:
            log.warning("%s/%d cannot be handed over yet: %s", *one.ref, error)

    def _pilot_on(self, node: str) -> Pilot:
        """The pilot that takes orders for a node, perhaps one that is not handed in yet."""
        known = self._pilots.current(node)
        return known or self._pilots.make(self._nodes_by_name()[node], self._desk.look)

    def _submit(self, pilot: Pilot) -> None:
        def refuse(told: str) -> None:
            self._give_up(pilot, Fate(ReplicaState.EXITED, Reason.SETUP_FAILED, told))
            self._drop(pilot)

        self._desk.submit(pilot.batch, refuse)

    def _hear(self, now: float) -> None:
        """What Slurm's word means for each pilot, and for those that nobody knows."""
        over: list[tuple[Pilot, SlurmJob | None]] = []
        for pilot in self._pilots:
            if not self._desk.has_news(pilot.batch):
                continue
            job = self._desk.find(pilot.batch)
            if pilot.batch.ticket.job is None:
                self._ask_again(pilot, now)
            elif job is None or job.has_ended:
                spools = [one.spool for one in self._passengers.on(pilot)]
                if has_settled(pilot.batch, spools, now):
                    over.append((pilot, job))
            else:
                pilot.batch.over_since = None
                self._attend(pilot, job, now)
        words = self._desk.last_words([(pilot.batch, job) for pilot, job in over])
        for (pilot, _), told in zip(over, words, strict=True):
            self._settle(pilot, *told)
        tickets = (pilot.batch.ticket for pilot in self._pilots)
        watched = {ticket.request.comment: ticket.job for ticket in tickets}
        self._desk.cancel_strays(self._strays.find(self._desk.look, watched, now))
        self._keep_some()

    def _ask_again(self, pilot: Pilot, now: float) -> None:
        """Slurm does not have it."""
        if self._desk.is_in_doubt(pilot.batch, now):
            return
        if self._desk.has_waited(pilot.batch, now):
            why = self._desk.problem or "it takes no more jobs of this account"
            self._give_up(pilot, self._too_late(pilot, why))
            self._drop(pilot)
        elif not self._passengers.count(pilot) and not self._is_kept(pilot):
            self._pilots.drop(pilot)
        elif self._desk.is_due(pilot.batch, now):
            self._submit(pilot)

    def _attend(self, pilot: Pilot, job: SlurmJob, now: float) -> None:
        """One that waits for its node, or has it."""
        is_wanted = self._passengers.count(pilot) > 0 or self._is_kept(pilot)
        if job.state == "PENDING" and not is_wanted:
            pilot.withdraw()
            self._desk.cancel(pilot.batch)
        elif not pilot.lives and self._desk.has_waited(pilot.batch, now, job.reason):
            pilot.withdraw()
            self._give_up(pilot, self._too_late(pilot, job.reason))
            self._desk.cancel(pilot.batch)
        elif is_wanted or not pilot.lives:
            pilot.idle_since = None
        else:
            pilot.idle_since = now if pilot.idle_since is None else pilot.idle_since
            if now - pilot.idle_since >= self._settings.idle_s:
                pilot.ask_to_end()

    def _settle(self, pilot: Pilot, state: str, reason: str) -> None:
        """Its batch job is over, so is what ran there, and all last words are heard. What was
        decided before counts, and not what Slurm made of it."""
        why = pilot.last_word
        fate = pilot.fate or pilot_fate_of(pilot.node, state, reason, why)
        is_as_wished = pilot.fate is None and (pilot.is_withdrawn or why in WELL)
        has_failed = state in ("FAILED", "COMPLETED", "OUT_OF_MEMORY")
        if pilot.fate is None and not pilot.lives and has_failed:
            said = pilot.batch.ticket.read_output() or "it said nothing"
            told = f"the pilot on {pilot.node} did not start (Slurm: {state}): {said}"
            fate = Fate(ReplicaState.EXITED, Reason.SETUP_FAILED, told)
        self._give_up(pilot, fate, again=is_as_wished)
        self._drop(pilot)

    def _give_up(self, pilot: Pilot, fate: Fate, *, again: bool = False) -> None:
        """It is gone or will be, and so are its passengers. Those with which it never began get
        another pilot when it ended well (`again`), and else go back into the queue; for a while no
        other pilot is tried there."""
        pilot.fate = None if again else fate
        for one in self._passengers.on(pilot):
            is_new = not one.spool.was_taken_up
            if is_new and again and one.take_back() and one.node in self._nodes_by_name():
                self._board(one)
            elif not is_new or fate.reason in (Reason.SETUP_FAILED, Reason.PREEMPTED):
                self._end(one, fate)
            else:
                told = f"it was not started yet: {fate.message}"
                self._end(one, Fate(ReplicaState.EXITED, Reason.PREEMPTED, told))
        if not again:
            is_fault = fate.reason is Reason.SETUP_FAILED and not pilot.lives
            span_s = FAULT_S if is_fault else self._settings.slurm.patience_s
            self._avoided.add(pilot.node, f"its last pilot failed: {fate.message}", span_s)

    def _drop(self, pilot: Pilot) -> None:
        """Unless a full disk keeps the end of one of its passengers from being written."""
        if not self._passengers.on(pilot):
            self._pilots.drop(pilot)

    def _too_late(self, pilot: Pilot, reason: str) -> Fate:
        patience_s = self._settings.slurm.patience_s
        told = f"Slurm did not give {pilot.node} within {patience_s:g} s ({reason})"
        return Fate(ReplicaState.EXITED, Reason.PREEMPTED, told)

    def _is_kept(self, pilot: Pilot) -> bool:
        """Whether it stays even when it is idle."""
        if not self._settings.nodes_min:
            return False
        by_use = sorted(
            self._holding().values(),
            key=lambda one: (not self._passengers.count(one), not one.lives),
        )
        return pilot in by_use[: self._settings.nodes_min]

    def _keep_some(self) -> None:
        """As many as are to be held without anything to do."""
        if not self._settings.nodes_min:
            return
        holding, nodes = self._holding(), self.list_nodes()
        for node in free_nodes(nodes, holding)[: max(0, self._settings.nodes_min - len(holding))]:
            self._submit(self._pilots.make(node, self._desk.look))

    def _end(self, one: Passenger, fate: Fate) -> None:
        """On a full disk it is tried again with Slurm's next word, or the next sweep."""
        end_spools(one.ref, [one.spool], fate)
        self._attempts.refresh(one.tracked)

    def _sweep(self, now: float) -> None:
        """Read every live spool, hand over what was not, and find who fell silent."""
        for tracked in self._attempts.live:
            self._attempts.read(tracked)
            for one in self._passengers.of(tracked.ref):
                self._avoided.judge(one.spool.sighting, one.node)
            if tracked.is_gone:
                continue
            self._attempts.renew(tracked)
            for one in self._passengers.of(tracked.ref):
                if one.is_left_behind(now):
                    self._board(one)
                if one.is_told_off_alone:
                    one.spool.explain()
                elif one.pilot is not None and self._desk.is_asleep(one.pilot.batch):
                    one.beat.pardon(now)
                elif one.is_silent(now):
                    self._end(one, silent_fate("its runner", self._settings.slurm.silence_s))
            self._attempts.refresh(tracked)
        for pilot in self._pilots:
            self._listen(pilot, now)
        self._pilots.watch()

    def _listen(self, pilot: Pilot, now: float) -> None:
        """Whether it has not beaten for too long: then its node is lost, long before Slurm says."""
        silence_s = self._settings.slurm.silence_s
        if self._desk.is_asleep(pilot.batch):
            pilot.beat.pardon(now)
        elif pilot.lives and not pilot.is_lost and not pilot.last_word:
            pilot.is_lost = pilot.beat.silent_s(pilot.read_beat_ns(), now) >= silence_s
            if pilot.is_lost:
                pilot.fate = silent_fate(f"its pilot on {pilot.node}", silence_s, explains=True)
        if pilot.is_lost and pilot.fate is not None:
            for one in self._passengers.on(pilot):
                self._end(one, pilot.fate)
            self._desk.cancel(pilot.batch)
