"""What every `Engine` promises. Subclass it and give it a `ground` fixture."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quarterdeck.basics.errors import Unavailable
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.core.cluster.parts import gpu_of
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.core.jobs.events import Sighting
    from quarterdeck.ports.engine import Engine, LaunchOrder


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a command does on so many GPUs of each node: end at once with a code, or last until it
    is stopped or killed."""

    gpus: int = 1
    exit_code: int = 0
    lasts: bool = False
    ignores_stop: bool = False


class Ground(Protocol):
    """An engine to be tried, and the world around it."""

    engine: Engine

    def restart(self) -> None:
        """Drop the engine as a crash would, and make a new one that finds what the old one left."""
        ...

    def order(self, ref: AttemptRef, behaviour: Behaviour, *, nodes: int = 1) -> LaunchOrder:
        """A launch on so many of the engine's nodes."""
        ...

    def until(self, holds: Callable[[], bool]) -> None:
        """Let time pass until it holds; fail when it does not for too long."""
        ...

    def count_starts(self, ref: AttemptRef) -> int:
        """How often a command of the attempt was started, over all replicas."""
        ...

    def count_living(self, ref: AttemptRef) -> int:
        """How many processes of the attempt live."""
        ...

    def read_devices(self, ref: AttemptRef) -> list[list[str]]:
        """Which devices the commands of the attempt were told that they have, one list each."""
        ...


class Outages(Protocol):
    """What can happen between an engine and what it drives, where that is something else."""

    def break_down(self, kind: str) -> None:
        """From now on it is `down`, or `deaf` (it does what it is told, and no answer arrives), or
        answers with `garbage`."""
        ...

    def mend(self) -> None:
        """As usual again."""
        ...

    def has_asked(self) -> Callable[[], bool]:
        """Whether the engine has asked and got an answer since this call, looking now."""
        ...


class RemoteGround(Ground, Outages, Protocol):
    """The world of an engine that asks somebody else."""


QUICK = Behaviour()
LASTING = Behaviour(lasts=True)
STUBBORN = Behaviour(lasts=True, ignores_stop=True)


class EngineConformance:
    """The suite."""

    def test_nodes_are_stable_and_their_devices_unique(self, ground: Ground) -> None:
        nodes = ground.engine.list_nodes()
        assert nodes
        assert nodes == ground.engine.list_nodes()
        devices = [device.id for node in nodes for device in node.devices]
        assert len(set(devices)) == len(devices)

    def test_others_hold_what_the_node_has(self, ground: Ground) -> None:
        for node in ground.engine.list_nodes():
            own = {device.id for device in node.devices}
            held = [device for one in node.others for device in one.devices]
            assert {gpu_of(device) for device in held} <= own
            assert all(one.name and one.cpus >= 0 and one.memory_bytes >= 0 for one in node.others)

    def test_an_attempt_is_seen_until_it_is_forgotten(self, ground: Ground) -> None:
        ref = _ref(1)
        ground.engine.launch(ground.order(ref, QUICK))
        assert _sightings(ground, ref)
        ground.until(lambda: _is_gone(ground, ref))
        assert _states(ground, ref) == [ReplicaState.EXITED]
        ground.engine.forget([ref])
        assert _sightings(ground, ref) == ()

    def test_an_exit_says_its_code_and_its_times(self, ground: Ground) -> None:
        ref = _ref(1)
        ground.engine.launch(ground.order(ref, Behaviour(exit_code=7)))
        ground.until(lambda: _is_gone(ground, ref))
        (sight,) = _sightings(ground, ref)
        assert [(end.rank, end.code, end.stopped) for end in sight.exits] == [(0, 7, False)]
        assert sight.started_at_ns is not None
        assert sight.ended_at_ns is not None
        assert sight.started_at_ns <= sight.ended_at_ns

    def test_launched_twice_is_launched_once(self, ground: Ground) -> None:
        ref = _ref(1)
        order = ground.order(ref, LASTING)
        for _ in range(3):
            ground.engine.launch(order)
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED])
        ground.restart()
        ground.engine.launch(order)
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED])
        assert ground.count_starts(ref) == 1

    def test_a_new_engine_finds_what_the_old_one_launched(self, ground: Ground) -> None:
        lasting, quick = _ref(1), _ref(2)
        ground.engine.launch(ground.order(lasting, LASTING))
        ground.engine.launch(ground.order(quick, Behaviour(exit_code=3)))
        ground.until(lambda: _states(ground, lasting) == [ReplicaState.STARTED])
        ground.until(lambda: _is_gone(ground, quick))
        before = _sightings(ground, quick)
        ground.restart()
        ground.until(lambda: _states(ground, lasting) == [ReplicaState.STARTED])
        assert _sightings(ground, quick) == before

    def test_a_gang_starts_whole(self, ground: Ground) -> None:
        ref = _ref(1)
        ground.engine.launch(ground.order(ref, LASTING, nodes=2))
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED] * 2)
        assert ground.count_starts(ref) == 2

    def test_stop_ends_everything_and_says_so(self, ground: Ground) -> None:
        ref = _ref(1)
        ground.engine.launch(ground.order(ref, LASTING, nodes=2))
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED] * 2)
        ground.engine.stop(ref, 10.0)
        ground.until(lambda: _is_gone(ground, ref))
        exits = [end for sight in _sightings(ground, ref) for end in sight.exits]
        assert exits
        assert all(end.stopped for end in exits)
        assert ground.count_living(ref) == 0

    def test_what_ignores_a_stop_is_killed_after_its_grace(self, ground: Ground) -> None:
        ref = _ref(1)
        ground.engine.launch(ground.order(ref, STUBBORN))
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED])
        ground.engine.stop(ref, 0.1)
        ground.until(lambda: _is_gone(ground, ref))
        assert ground.count_living(ref) == 0

    def test_a_shorter_grace_said_later_counts(self, ground: Ground) -> None:
        ref = _ref(1)
        ground.engine.launch(ground.order(ref, STUBBORN))
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED])
        ground.engine.stop(ref, 100_000.0)
        ground.engine.stop(ref, 0.0)
        ground.until(lambda: _is_gone(ground, ref))

    def test_stopping_what_is_not_known_does_nothing(self, ground: Ground) -> None:
        ground.engine.stop(_ref(1), 0.0)
        assert ground.engine.observe() == []

    def test_what_lives_is_not_forgotten(self, ground: Ground) -> None:
        ref = _ref(1)
        ground.engine.launch(ground.order(ref, LASTING))
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED])
        ground.engine.forget([ref, _ref(2)])
        assert _states(ground, ref) == [ReplicaState.STARTED]

    def test_what_was_forgotten_is_not_run_again(self, ground: Ground) -> None:
        ref = _ref(1)
        order = ground.order(ref, QUICK)
        ground.engine.launch(order)
        ground.until(lambda: _is_gone(ground, ref))
        ground.engine.forget([ref])
        ground.restart()
        ground.engine.launch(order)
        ground.until(lambda: _states(ground, ref) == [ReplicaState.LOST])
        assert ground.count_starts(ref) == 1

    def test_a_job_gets_the_devices_of_its_grant(self, ground: Ground) -> None:
        ref = _ref(1)
        order = ground.order(ref, Behaviour(gpus=3, lasts=True), nodes=2)
        ground.engine.launch(order)
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED] * 2)
        ground.until(lambda: len(ground.read_devices(ref)) == 2)
        told = sorted(ground.read_devices(ref))
        assert [len(devices) for devices in told] == [3, 3]
        if ground.engine.abilities.exact_devices:
            assert told == sorted(list(grant.devices) for grant in order.grants)

    def test_many_are_observed_in_one_call(self, ground: Ground) -> None:
        refs = [_ref(number) for number in range(1, 9)]
        for ref in refs:
            ground.engine.launch(ground.order(ref, QUICK))
        ground.until(lambda: all(_is_gone(ground, ref) for ref in refs))
        assert sorted(seen.ref for seen in ground.engine.observe()) == refs

    def test_attempts_of_one_job_are_kept_apart(self, ground: Ground) -> None:
        first, second = _ref(1), AttemptRef(_ref(1).job_id, 2)
        ground.engine.launch(ground.order(first, QUICK))
        ground.until(lambda: _is_gone(ground, first))
        ground.engine.launch(ground.order(second, LASTING))
        ground.until(lambda: _states(ground, second) == [ReplicaState.STARTED])
        ground.engine.stop(first, 0.0)
        ground.engine.forget([first])
        assert _states(ground, second) == [ReplicaState.STARTED]


class RemoteEngineConformance(EngineConformance):
    """For engines that drive what may be away, deaf or mad while they go on."""

    def test_what_is_launched_while_it_is_down_starts_afterwards(
        self, ground: RemoteGround
    ) -> None:
        running, ref = _ref(1), _ref(2)
        ground.engine.launch(ground.order(running, LASTING))
        ground.until(lambda: _states(ground, running) == [ReplicaState.STARTED])
        ground.break_down("down")
        with suppress(Unavailable):
            ground.engine.launch(ground.order(ref, QUICK))
        for _ in range(5):
            assert _states(ground, running) == [ReplicaState.STARTED]
        ground.mend()
        ground.until(lambda: _is_gone(ground, ref))
        assert ground.count_starts(ref) == 1
        assert _states(ground, running) == [ReplicaState.STARTED]

    def test_a_launch_whose_answer_is_lost_is_one_launch(self, ground: RemoteGround) -> None:
        ref = _ref(1)
        order = ground.order(ref, LASTING)
        ground.break_down("deaf")
        with suppress(Unavailable):
            ground.engine.launch(order)
        ground.mend()
        ground.restart()
        with suppress(Unavailable):
            ground.engine.launch(order)
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED])
        assert ground.count_starts(ref) == 1

    def test_garbage_changes_nothing(self, ground: RemoteGround) -> None:
        ref = _ref(1)
        ground.engine.launch(ground.order(ref, LASTING))
        ground.until(lambda: _states(ground, ref) == [ReplicaState.STARTED])
        nodes = ground.engine.list_nodes()
        ground.break_down("garbage")
        ground.until(ground.has_asked())
        assert _states(ground, ref) == [ReplicaState.STARTED]
        assert [node.name for node in ground.engine.list_nodes()] == [one.name for one in nodes]
        ground.mend()
        ground.engine.stop(ref, 10.0)
        ground.until(lambda: _is_gone(ground, ref))
        assert ground.count_living(ref) == 0


def _ref(number: int) -> AttemptRef:
    return AttemptRef(JobId(format_id("j", number)), 1)


def _sightings(ground: Ground, ref: AttemptRef) -> tuple[Sighting, ...]:
    return next((seen.sightings for seen in ground.engine.observe() if seen.ref == ref), ())


def _states(ground: Ground, ref: AttemptRef) -> list[ReplicaState]:
    return [sight.state for sight in _sightings(ground, ref)]


def _is_gone(ground: Ground, ref: AttemptRef) -> bool:
    states = _states(ground, ref)
    return bool(states) and all(state.is_gone for state in states)
