"""The log of a cluster where others come and go: bounded, and as good as before to read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.control.board import Board
from quarterdeck.control.cycles import KEPT_S
from quarterdeck.control.folding import REPORTS_AT_ONCE, REPORTS_KEPT_S, fold_reports
from quarterdeck.control.nodes import cordon, find_place
from quarterdeck.control.restore import read_log, restore
from quarterdeck.core.cluster.events import evolve_site
from quarterdeck.core.cluster.hardware import Foreign, Node, NodeState, Site
from quarterdeck.ports.store import SiteRecord
from quarterdeck.testing.builders import SITE, a_dgx
from tests.spec.control.desk import Desk

HOUR_S = 3600.0
REPORTS = 1_200
NODES = 3


def nodes_at(hour: int) -> tuple[Node, ...]:
    """Others have another job on one of them each hour, and now and then a node is away."""
    found = []
    for number in range(NODES):
        begun = hour - (hour - number) % NODES
        others = (Foreign(f"Slurm job {begun}", (), 1 + begun % 7),) if begun > 0 else ()
        state = NodeState.DOWN if (hour + number) % 50 == 0 else NodeState.READY
        found.append(a_dgx(f"n{number}", others=others, state=state))
    return tuple(found)


@pytest.fixture
def desk() -> Desk:
    """Fifty days of reports by the hour, and somebody's word on a node amid them."""
    desk = Desk()
    for hour in range(REPORTS):
        desk.clock.pass_s(HOUR_S)
        desk.report(*nodes_at(hour))
        if hour == 100:
            cordon(desk.plane, find_place(desk.plane, "n1"), "fan", "olga")
    return desk


def states(store: MemoryStore) -> dict[int, Site]:
    """The site after each entry of the log."""
    site: Site | None = None
    found = {}
    for record in read_log(store):
        assert isinstance(record, SiteRecord)
        site = evolve_site(site, record.event)
        found[record.seq] = site
    return found


def fold_all(desk: Desk) -> int:
    turns = 1
    while fold_reports(desk.plane):
        turns += 1
    return turns


def test_reports_that_are_older_than_any_cycle_become_one(desk: Desk) -> None:
    before = states(desk.store)
    assert fold_all(desk) <= 2 + REPORTS // REPORTS_AT_ONCE
    after = states(desk.store)
    kept = [seq for seq in after if seq in before]
    # The first one is somebody's word, which is older than the oldest report now.
    assert {seq: after[seq] for seq in kept[1:]} == {seq: before[seq] for seq in kept[1:]}
    assert len(after) <= 3 + REPORTS_KEPT_S / HOUR_S
    young_ns = desk.clock.now_ns() - int(KEPT_S * 1e9)
    young = [one.seq for one in desk.store.list_records(0, limit=9_999) if at(one) >= young_ns]
    assert len(young) == KEPT_S / HOUR_S + 1
    assert set(young) <= after.keys()
    assert fold_all(desk) == 1
    assert states(desk.store) == after


def at(record: object) -> int:
    assert isinstance(record, SiteRecord)
    return record.event.at_ns


def test_what_is_told_from_the_log_is_the_same(desk: Desk) -> None:
    known = desk.plane.board.find_site(SITE)
    fold_all(desk)
    desk.plane.board.catch_up()
    assert desk.plane.board.find_site(SITE) == known
    assert Board(desk.store).find_site(SITE) == known
    restore(desk.store)
    assert Board(desk.store).find_site(SITE) == known
    assert known is not None
    assert [one.reason for one in known.cordons] == ["fan"]


def test_a_log_is_bounded_whatever_the_time(desk: Desk) -> None:
    sizes = []
    for month in range(3):
        for hour in range(30 * 24):
            desk.clock.pass_s(HOUR_S)
            desk.report(*nodes_at(hour + month))
        fold_all(desk)
        sizes.append(len(desk.store.log))
    assert max(sizes) <= 3 + REPORTS_KEPT_S / HOUR_S


def test_a_file_is_folded_too(tmp_path: object) -> None:
    store = open_store(f"sqlite:///{tmp_path}/q.db", lambda: False)
    desk = Desk(store=store)  # type: ignore[arg-type]
    for hour in range(20):
        desk.clock.pass_s(HOUR_S)
        desk.report(*nodes_at(hour))
    known = desk.plane.board.find_site(SITE)
    assert not fold_reports(desk.plane)
    assert len(store.list_records(0)) == 20
    desk.clock.pass_s(REPORTS_KEPT_S - 5.5 * HOUR_S)
    fold_all(desk)
    assert len(store.list_records(0)) == 1 + 6
    assert Board(store).find_site(SITE) == known
    desk.report(*(replace(node, reason="new") for node in nodes_at(20)))
    assert len(store.list_records(0)) == 1 + 7
    store.close()
