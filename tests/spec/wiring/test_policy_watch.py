"""The policy file of a home: taken when it changes, refused when it is wrong, and told of."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from quarterdeck.adapters.audit.memory import MemoryAuditLog
from quarterdeck.basics.errors import Invalid, Unavailable
from quarterdeck.control.rules import Rules
from quarterdeck.core.audit.record import Record, parse_record
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.wiring.policy.in_force import load_followed, version_of
from quarterdeck.wiring.policy.watch import PolicyWatch
from tests.spec.control.desk import HandClock


class Watched:
    """A home's policy file, and who looks at it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        clock = HandClock()
        first, text = load_followed(path, clock.now_ns())
        self.rules = Rules(first)
        self.audit = MemoryAuditLog(clock.now_ns)
        self.changes = 0
        self.watch = PolicyWatch(path, text, self.rules, clock, self.audit)
        self.watch.call(self.note)

    def note(self) -> None:
        self.changes += 1

    @property
    def told(self) -> list[Record]:
        """What the audit log has."""
        return [parse_record(line) for line in self.audit.read_forwards(0, self.audit.size)]

    def write(self, text: str) -> None:
        """As an editor does: the new file takes the place of the old one."""
        new = self.path.with_name("new")
        new.write_text(text)
        new.replace(self.path)

    def look(self) -> None:
        """Twice: what has only just changed may still be being written."""
        self.watch.look()
        self.watch.look()


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path / "policy.yaml")


def test_without_a_file_it_is_the_usual_policy_and_nothing_is_told(watched: Watched) -> None:
    watched.look()
    assert (watched.rules.now.policy, watched.rules.now.name) == (Policy(), "usual")
    assert (watched.rules.now.version, watched.told, watched.changes) == ("", [], 0)


def test_a_file_that_changes_is_in_force_and_told_of(watched: Watched) -> None:
    watched.write("name: brisk\npatience: 1m\norder: shortest\n")
    watched.look()
    now = watched.rules.now
    assert now.policy == Policy(patience_s=60.0, order=Order.SHORTEST)
    assert (now.name, len(now.version), watched.changes) == ("brisk", 12, 1)
    (entry,) = watched.told
    assert (entry.operation, entry.target) == ("policy_in_force", now.version)
    assert "brisk" in entry.detail
    assert "patience 60 s" in entry.detail
    watched.look()
    assert (len(watched.told), watched.changes) == (1, 1)


def test_one_look_does_not_take_what_may_still_be_being_written(watched: Watched) -> None:
    watched.write("patience: 1m\n")
    watched.watch.look()
    assert watched.rules.now.policy == Policy()
    watched.watch.look()
    assert watched.rules.now.policy == Policy(patience_s=60.0)


def test_a_wrong_file_leaves_what_is_in_force_until_it_is_mended(watched: Watched) -> None:
    watched.write("patience: 1m\n")
    watched.look()
    before = watched.rules.now
    watched.write("patience: soon\n")
    watched.look()
    assert watched.rules.now is before
    assert "policy.yaml:1:11" in watched.rules.refused
    assert "write for example 30s" in watched.rules.refused
    refused = watched.told[-1]
    assert (refused.operation, refused.outcome) == ("policy_refused", "refused")
    assert refused.target == version_of(b"patience: soon\n")
    watched.write("patience: 1m\n")
    watched.look()
    assert watched.rules.now is before
    assert (watched.rules.refused, watched.changes) == ("", 1)


def test_a_file_that_goes_away_leaves_the_usual_policy(watched: Watched) -> None:
    watched.write("patience: 1m\n")
    watched.look()
    watched.path.unlink()
    watched.look()
    assert (watched.rules.now.policy, watched.rules.now.version) == (Policy(), "")
    assert watched.changes == 2
    assert "the policy usual is in force" in watched.told[-1].detail


def test_a_server_starts_with_what_the_file_says_and_tells_so(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("patience: 2m\n")
    found = Watched(tmp_path / "policy.yaml")
    assert found.rules.now.policy == Policy(patience_s=120.0)
    (line,) = found.audit.read_forwards(0, 1)
    first = parse_record(line)
    assert (first.operation, first.target) == ("policy_in_force", version_of(b"patience: 2m\n"))


def test_what_changed_while_the_server_started_is_seen(tmp_path: Path) -> None:
    path, clock, audit = tmp_path / "policy.yaml", HandClock(), MemoryAuditLog(lambda: 1)
    first, text = load_followed(path, 0)
    path.write_text("patience: 9m\n")
    rules = Rules(first)
    watch = PolicyWatch(path, text, rules, clock, audit)
    watch.look()
    watch.look()
    assert rules.now.policy.patience_s == 540


def test_the_same_size_and_time_does_not_hide_a_change(watched: Watched) -> None:
    watched.write("patience: 5m\n")
    watched.look()
    before = watched.path.stat()
    watched.path.write_text("patience: 9m\n")
    os.utime(watched.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    watched.look()
    assert watched.rules.now.policy.patience_s == 540


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_what_is_no_file_is_refused_and_holds_nobody_up(
    watched: Watched, make: Callable[[Path], None]
) -> None:
    watched.write("patience: 1m\n")
    watched.look()
    watched.path.unlink()
    make(watched.path)
    watched.look()
    assert watched.rules.now.policy.patience_s == 60
    assert "cannot be read: it is not a file" in watched.rules.refused
    with pytest.raises(Invalid, match="it is not a file"):
        load_followed(watched.path, 0)


def test_while_the_audit_cannot_be_written_nothing_changes(watched: Watched) -> None:
    watched.audit.fail(is_failing=True)
    watched.write("patience: 1m\n")
    watched.watch.look()
    with pytest.raises(Unavailable):
        watched.watch.look()
    assert watched.rules.now.policy == Policy()
    watched.audit.fail(is_failing=False)
    watched.watch.look()
    assert watched.rules.now.policy.patience_s == 60
    assert watched.changes == 1


POOLS = "pools: {vision: {guarantee: {nodes: 2}}}\n"


def test_pools_are_written_followed_and_told_at_once(watched: Watched) -> None:
    watched.write("patience: 1m\n")
    watched.look()
    tried = watched.watch.put_pools(POOLS, is_dry_run=True)
    assert watched.path.read_text() == "patience: 1m\n"
    given = watched.watch.put_pools(POOLS, is_dry_run=False)
    assert (given.version, given.policy) == (tried.version, watched.rules.now.policy)
    assert watched.path.read_text() == f"patience: 1m\n{POOLS}"
    assert "guaranteed: vision 2 nodes (weight 1)" in watched.told[-1].detail
    watched.look()
    assert (watched.changes, len(watched.told)) == (2, 2)


def test_whose_own_cells_are_is_told(watched: Watched) -> None:
    own = (
        "pools: {vision: {guarantee: {nodes: 2}, people: {ann: {guarantee: {}}, zoe: {weight: 2}}}}"
    )
    watched.watch.put_pools(own, is_dry_run=False)
    told = "guaranteed: vision 2 nodes, of these ann 1 node (weight 1)"
    assert told in watched.told[-1].detail


@pytest.mark.parametrize("before", [None, "patience: 1m\n"])
def test_pools_that_the_audit_cannot_take_leave_the_file_as_it_was(
    watched: Watched, before: str | None
) -> None:
    if before is not None:
        watched.write(before)
        watched.look()
    watched.audit.fail(is_failing=True)
    with pytest.raises(Unavailable):
        watched.watch.put_pools(POOLS, is_dry_run=False)
    assert (watched.path.read_text() if watched.path.exists() else None) == before
    assert watched.rules.now.policy.pools == ()


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("order: least_served", "order least_served"),
    ],
)
def test_what_a_server_does_not_do_yet_is_refused(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(Invalid, match=f"{key} is what only the simulator follows") as caught:
        load_followed(path, 0)
    assert caught.value.code == "not_available"
    assert "qd policy try" in caught.value.hint


def test_a_server_follows_moves(tmp_path: Path) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text("moves: 2\nmoves_percent: 10")
    policy = load_followed(path, 0)[0].policy
    assert (policy.moves_max, policy.moves_percent) == (2, 10)


@pytest.mark.parametrize("order", [one for one in Order if one is not Order.LEAST_SERVED])
def test_a_server_follows_every_order_that_stops_nobody(tmp_path: Path, order: Order) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(f"order: {order.value}")
    assert load_followed(path, 0)[0].policy.order is order
