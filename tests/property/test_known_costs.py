"""Where a job fits and what it costs there is the same however a plan comes to know it: node by
node, of a few nodes after something was taken of them, of copies, with or without the costs."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pytest

from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Grant, Level, Resources, Wish
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.cluster.hardware import Cordon, Device, Location, Node, NodeState
from quarterdeck.core.cluster.room import Room, room_of
from quarterdeck.core.scheduling.capacity import CLOSED, FREE, IDLE, capacity_of
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.core.scheduling.free import Free
from quarterdeck.core.scheduling.gangs import choose_nodes, has_room
from quarterdeck.core.scheduling.nearness import ON_NOTHING
from quarterdeck.core.scheduling.node_costs import count_gpus, find_fitting, reckon
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.remedies import find_resumable
from quarterdeck.core.scheduling.snapshot import Holder
from quarterdeck.core.scheduling.survey import able_rows, survey_of
from quarterdeck.core.scheduling.verdicts import explain_no_room
from quarterdeck.core.scheduling.wants import want_of
from quarterdeck.testing.builders import START_NS, a_job_id
from tests.property.test_placement import TOPOLOGY

if TYPE_CHECKING:
    from collections.abc import Callable

SITE: Final = "s"
SEEDS: Final = 150
STEPS: Final = 12
KINDS: Final = (("A100-SXM4-80GB", 80), ("H100-SXM5-80GB", 80), ("A30-PCIe", 24))
ASKED: Final = (
    *("0", "1", "2", "4", "8", "A100:2", "H100|A100:1", "A30:1", "40GB..:2", "20GB", "5GB:2"),
    *("share-25%", "share-60%:2", "mig-1g.10gb:1", "mig-3g.40gb:1"),
)
WISHES: Final = (
    *(Wish(), Wish(), Wish(require=Level.RACK), Wish(require=Level.UNIT), Wish(prefer=Level.UNIT)),
    *(Wish(require=Level.RAIL), Wish(prefer=Level.RAIL), Wish(spread=Level.RACK)),
)


def a_room(chance: Random, number: int, *, is_plain: bool) -> Room:
    """Of one kind of GPUs or several, in part cordoned, suspect or down; or like all the others."""
    count = 8 if is_plain else chance.choice((0, 2, 4, 8, 8))
    model, memory = KINDS[0] if is_plain else chance.choice(KINDS)
    devices = [Device(f"GPU-{number}-{n}", model, memory * GIB) for n in range(count)]
    if devices and not is_plain and chance.random() < 0.2:
        devices[0] = replace(devices[0], model="V100-SXM2-32GB", memory_bytes=32 * GIB)
    if devices and not is_plain and chance.random() < 0.2:
        devices[-1] = replace(devices[-1], is_suspect=True)
    rack = chance.choice(("r0", "r1", "r2") if is_plain else ("r0", "r1", ""))
    node = Node(
        f"n{number:02}",
        chance.choice((64, 64, 64, 32) if is_plain else (8, 64)),
        256 * GIB,
        tuple(devices),
        state=chance.choice((*[NodeState.READY] * 9, NodeState.DOWN)),
        topology=TOPOLOGY if count == 8 else None,
        location=Location(rack, chance.choice(("u0", "u1"))),
        may_slice=chance.random() < 0.5,
    )
    cordons: tuple[Cordon, ...] = ()
    if devices and not is_plain and chance.random() < 0.2:
        device = chance.choice((None, devices[0].id))
        cordons = (Cordon(node.name, device, "broken", "ada", 0),)
    return room_of(SITE, node, (), cordons)


def a_free(chance: Random) -> Free:
    is_plain = chance.random() < 0.4
    rooms = [a_room(chance, number, is_plain=is_plain) for number in range(chance.randint(1, 30))]
    asked = [(wanted(chance), chance.randint(1, 99)) for _ in range(chance.randint(0, 20))]
    return Free(capacity_of(rooms), typical_of(asked))


def wanted(chance: Random) -> Resources:
    return replace(
        parse_gpus(chance.choice(ASKED)),
        cpus=chance.choice((1, 4, 8)),
        memory_bytes=chance.choice((0, GIB, 32 * GIB)),
    )


def change(chance: Random, free: Free, held: list[tuple[str, Grant]]) -> tuple[Free, Any]:
    """Something is taken or given back, or a plan goes on with a copy."""
    what = chance.randrange(8)
    asked = wanted(chance)
    rows = free.fits(asked).nonzero()[0].tolist()
    if what <= 2 and rows:
        chosen = sorted(chance.sample(rows, chance.randint(1, min(4, len(rows)))))
        if is_undone := chance.random() < 0.3:
            free.mark()
        grants = [(SITE, grant) for grant in free.take(chosen, asked)]
        if is_undone:
            free.go_back()
        else:
            held += grants
    elif what == 3 and held:
        free.give_back([held.pop(chance.randrange(len(held)))])
    elif what == 4 and held:
        before = free
        free = free.returned(held[:1])
        del held[0]
        return free, before
    elif what == 5:
        return free.granted(()), free
    elif what == 7:
        return free, check_shared(chance, free, held)
    elif what == 6:
        rooms = range(len(free.capacity))
        free.barred = np.array([chance.random() < 0.2 for _ in rooms]) if held else None
    return free, None


def check_shared(chance: Random, free: Free, held: list[tuple[str, Grant]]) -> Free:
    """What others may take until some have gone and somebody lies there, against all GPUs."""
    later, asked = free.returned(held[: chance.randint(0, 3)]), wanted(chance)
    left = later.returned(())
    if rows := left.fits(asked).nonzero()[0].tolist():
        left.take(rows[: chance.randint(1, 2)], asked)
    made = free.shared_with(later, left)
    state = np.where(free.state == later.state, left.state, CLOSED)
    is_there = free.fleet.kind >= 0
    assert made.state.tolist() == state.tolist()
    assert made.cpus.tolist() == np.minimum(free.cpus, left.cpus).tolist()
    least = np.minimum(free.memory_bytes, left.memory_bytes)
    assert made.memory_bytes.tolist() == least.tolist()
    assert made.gpus_free.tolist() == ((state == FREE) & is_there).sum(axis=1).tolist()
    idle = np.where(is_there, IDLE[state], 0.0).sum(axis=1)
    assert made.gpus_idle.tolist() == idle.tolist(), "to the last bit"
    return made


def check(chance: Random, free: Free) -> None:
    """Of one shape, against each node looked at by itself."""
    asked, fleet = wanted(chance), free.fleet
    want, count = free.want_of(asked), len(fleet.nodes)
    within = np.array([chance.random() < 0.3 for _ in range(count)])
    few = free.costs(asked, within)
    assert few.tolist() == np.where(within, free.costs(asked), np.inf).tolist()
    assert free.costs(asked, within).tolist() == few.tolist()
    if chance.random() < 0.5:
        free.costs(asked)
    fits, costs = free.fits(asked), free.costs(asked)
    every = [np.array([row]) for row in range(count)]
    is_barred = np.zeros(count, bool) if free.barred is None else free.barred
    alone = [find_fitting(free, want, row).item() for row in every]
    expected = [one and not barred for one, barred in zip(alone, is_barred, strict=True)]
    assert fits.tolist() == expected
    priced = [reckon(free, want, find_fitting(free, want, row), row).item() for row in every]
    assert costs.tolist() == [
        price if fit else np.inf for price, fit in zip(priced, expected, strict=True)
    ], "to the last bit"
    plain = want.count(fleet.kind_of_node, fleet.kind, free.state)
    assert count_gpus(free, want, None).tolist() == plain.tolist()
    is_there = fleet.kind >= 0
    assert free.gpus_free.tolist() == ((free.state == FREE) & is_there).sum(axis=1).tolist()
    idle = np.where(is_there, IDLE[free.state], 0.0).sum(axis=1)
    assert free.gpus_idle == pytest.approx(idle)


def check_gangs(chance: Random, free: Free) -> None:
    """Whether there is room is told without choosing, and what could be placed is."""
    asked = wanted(chance)
    nodes = chance.choice((1, 1, 2, 3, 6))
    most = chance.choice((None, None, nodes + 2)) if nodes > 1 else None
    fleet = free.fleet
    demand = Demand(nodes, asked, nodes_max=most, topology=chance.choice(WISHES))
    if not _is_on_rails(demand.topology):
        chosen = choose_nodes(fleet, SITE, free.costs(asked), demand)
        assert has_room(fleet, SITE, free.fits(asked), demand) == (chosen is not None)
    within = np.array([chance.random() < 0.8 for _ in fleet.nodes])
    insists = chance.choice((ON_NOTHING, frozenset({Level.POD, Level.RACK})))
    could = Placer(free).could_place(demand, None, insists, within=within)
    copied = free.granted(())
    copied.barred = free.barred
    placed = Placer(copied).place(a_job_id(1), demand, None, insists=insists, within=within)
    assert could == (placed is not None)


def _is_on_rails(wish: Wish) -> bool:
    return Level.RAIL in (wish.require, wish.prefer)


def check_able(chance: Random, free: Free) -> None:
    """What would do if nothing ran there."""
    asked, fleet = wanted(chance), free.fleet
    empty = capacity_of(
        [Room.empty(SITE, replace(one, state=NodeState.READY)) for one in fleet.nodes]
    )
    able = Free(empty, free.typical).fits(asked).nonzero()[0]
    assert able_rows(fleet, asked, np.arange(len(fleet.nodes))).tolist() == able.tolist()
    survey = survey_of(free, asked, [SITE])
    assert survey is not None
    assert survey.fitting.tolist() == free.fits(asked).nonzero()[0].tolist()
    assert find_resumable(Placer(free), Demand(1, asked), None, survey) is not None


@pytest.mark.parametrize("seed", range(SEEDS))
def test_what_is_known_is_what_each_node_says_by_itself(seed: int) -> None:
    chance = Random(seed)
    free = a_free(chance)
    others: list[Free] = []
    held: list[tuple[str, Grant]] = []
    checks: tuple[Callable[[Random, Free], None], ...] = (check, check_gangs, check_able)
    for _ in range(STEPS):
        free, before = change(chance, free, held)
        if before is not None:
            others.append(before)
        for one in checks:
            one(chance, free)
        # What was copied from has stayed as it was, and knows so.
        for other in others[-2:]:
            check(chance, other)


@pytest.mark.parametrize("seed", range(40))
def test_those_that_hold_most_are_named_first(seed: int) -> None:
    """Of random holders, some of other sites or without GPUs, against sorting all of them."""
    chance = Random(seed)
    node = Node("n0", 64, 256 * GIB, (Device("GPU-0", *("A100-SXM4-80GB", 80 * GIB)),))
    full = room_of(SITE, node, (Grant("n0", ("GPU-0",), 64, 256 * GIB),))
    gpus = chance.choice((1, 0))
    holders = [
        Holder(
            a_job_id(number),
            chance.choice((SITE, SITE, "elsewhere")),
            1,
            chance.choice((0, 1, 1, 1, 2, 8)),
            chance.randint(1, 4),
        )
        for number in range(chance.choice((0, 1, 3, 5, 6, 60)))
    ]
    here = [one for one in holders if one.site == SITE and (one.gpus or not gpus)]
    here.sort(key=lambda one: (-one.gpus, -one.cpus, one.job_id))
    placer = Placer(Free(capacity_of([full]), typical_of(())))
    verdict = explain_no_room(Demand(1, Resources(gpus)), placer, None, holders, START_NS)
    assert verdict.held_by == tuple(one.job_id for one in here[:5])


def test_wants_of_whole_gpus_say_which_kinds_will_do() -> None:
    """The last entry is of what is not there."""
    free = a_free(Random(1))
    for text in ASKED:
        want = want_of(parse_gpus(text), free.fleet.kinds)
        assert want.is_able.tolist() == np.isfinite(want.preference).tolist()
        assert not want.is_able[-1]
