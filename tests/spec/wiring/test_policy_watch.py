"""The policy file of a home: taken when it changes, refused when it is wrong, and told of."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.control.rules import Rules
from quarterdeck.core.audit.record import Entry
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.wiring.policy.watch import PolicyWatch, load_in_force
from tests.spec.control.desk import HandClock


class Watched:
    """A home's policy file, and who looks at it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rules = Rules(load_in_force(path, 7))
        self.told: list[Entry] = []
        self.changes = 0
        self.watch = PolicyWatch(path, self.rules, HandClock(), self.told.append)
        self.watch.call(self.note)

    def note(self) -> None:
        self.changes += 1

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
    assert (watched.told[-1].operation, watched.told[-1].outcome) == ("policy_refused", "refused")
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
    assert [entry.operation for entry in found.told] == ["policy_in_force"]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("order: least_served", "order least_served"),
        ("moves: 2", "moves"),
        ("guarantees: {vision: 8}", "guarantees"),
    ],
)
def test_what_a_server_does_not_do_yet_is_refused(tmp_path: Path, text: str, key: str) -> None:
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    with pytest.raises(Invalid, match=f"{key} needs running jobs to make room") as caught:
        load_in_force(path, 0)
    assert caught.value.code == "not_available"
    assert "qd policy try" in caught.value.hint
