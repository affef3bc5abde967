"""What every `Hooks` promises. Subclass it and give it a `hooks` fixture: new, with nothing in it,
and a `reopened` one: a function that gives what another process would see of the same."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Conflict
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.hooks import Hook, Progress
from quarterdeck.testing.builders import START_NS

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.ports.hooks import Hooks

FAILING = Progress(
    cursor=2**40,
    failures=3,
    failing_since_ns=START_NS,
    last_success_at_ns=START_NS - 1,
    last_failure_at_ns=START_NS + 1,
    last_failure="answered 500 – “é”",
    off_since_ns=START_NS + 2,
)


def a_hook(number: int = 1, **changes: object) -> Hook:
    """A receiver, the younger the greater its number."""
    made = Hook(
        id=f"w{number:09}",
        url=f"https://example.org/{number}",
        secret="whsec_" + "c2VjcmV0" * 5,
        owner="ada",
        created_at_ns=START_NS + number,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


class HooksConformance:
    """The suite."""

    def test_there_are_none_at_first(self, hooks: Hooks) -> None:
        assert hooks.list() == []
        hooks.save({"w000000001": Progress(1)})
        assert hooks.list() == []

    def test_what_was_added_is_there_for_everybody_as_it_was(
        self, hooks: Hooks, reopened: Callable[[], Hooks]
    ) -> None:
        hook = a_hook(states=(JobState.FAILED, JobState.SUCCEEDED))
        hooks.add(hook, FAILING)
        assert hooks.list() == reopened().list() == [(hook, FAILING)]

    def test_they_are_listed_oldest_first(self, hooks: Hooks) -> None:
        for number in (2, 3, 1):
            hooks.add(a_hook(number), Progress(0))
        assert [hook for hook, _ in hooks.list()] == [a_hook(number) for number in (1, 2, 3)]

    def test_a_taken_id_is_a_conflict_and_changes_nothing(self, hooks: Hooks) -> None:
        hooks.add(a_hook(), Progress(7))
        with pytest.raises(Conflict):
            hooks.add(a_hook(url="https://example.org/other"), Progress(8))
        assert hooks.list() == [(a_hook(), Progress(7))]

    def test_a_removed_one_is_gone_and_a_late_save_does_not_bring_it_back(
        self, hooks: Hooks, reopened: Callable[[], Hooks]
    ) -> None:
        hooks.add(a_hook(1), Progress(0))
        hooks.add(a_hook(2), Progress(0))
        assert hooks.remove(a_hook(1).id)
        assert not hooks.remove(a_hook(1).id)
        hooks.save({a_hook(1).id: Progress(5), a_hook(2).id: Progress(6)})
        assert hooks.list() == reopened().list() == [(a_hook(2), Progress(6))]

    def test_a_save_keeps_all_that_it_names_and_leaves_the_others(
        self, hooks: Hooks, reopened: Callable[[], Hooks]
    ) -> None:
        for number in (1, 2, 3):
            hooks.add(a_hook(number), Progress(0))
        hooks.save({a_hook(1).id: FAILING, a_hook(3).id: Progress(4)})
        expected = [(a_hook(1), FAILING), (a_hook(2), Progress(0)), (a_hook(3), Progress(4))]
        assert hooks.list() == reopened().list() == expected

    def test_a_cursor_never_goes_back(self, hooks: Hooks) -> None:
        hooks.add(a_hook(), Progress(5))
        hooks.save({a_hook().id: Progress(4, failures=1)})
        assert hooks.list() == [(a_hook(), Progress(5))]
        hooks.save({a_hook().id: Progress(5, failures=1)})
        assert hooks.list() == [(a_hook(), Progress(5, failures=1))]
