"""What every log of verdicts must do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quarterdeck.ports.verdicts import Told
from quarterdeck.testing.builders import START_NS, a_job_id

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.ports.verdicts import VerdictLog

JOB, OTHER = a_job_id(1), a_job_id(2)


def a_told(number: int = 0, *, code: str = "no_capacity", message: str = "wait") -> Told:
    """What a job was told so many seconds after the start."""
    at_ns = START_NS + number * 10**9
    return Told(JOB, at_ns, code, message, "a hint", {"nodes_wanted": 2}, (OTHER,))


class VerdictLogConformance:
    """On a fixture `verdicts`, and `reopened`, which is the same log as a later process sees it."""

    def test_it_gives_back_what_was_told_in_order(self, verdicts: VerdictLog) -> None:
        """All of it, with the numbers."""
        told = [a_told(0), a_told(1, code="topology"), a_told(2, message="still")]
        verdicts.add(told[:2])
        verdicts.add(told[2:])
        assert verdicts.list_told(JOB, 10) == told

    def test_the_last_so_many_are_the_newest(self, verdicts: VerdictLog) -> None:
        """Of many."""
        verdicts.add([a_told(number, message=str(number)) for number in range(9)])
        assert [one.message for one in verdicts.list_told(JOB, 2)] == ["7", "8"]

    def test_what_was_said_last_is_not_kept_again(self, verdicts: VerdictLog) -> None:
        """A server that starts again says everything once more."""
        verdicts.add([a_told(0)])
        verdicts.add([a_told(5)])
        assert verdicts.list_told(JOB, 10) == [a_told(0)]
        verdicts.add([a_told(6, code="limit"), a_told(7)])
        assert [one.code for one in verdicts.list_told(JOB, 10)] == [
            "no_capacity",
            "limit",
            "no_capacity",
        ]

    def test_each_job_has_its_own(self, verdicts: VerdictLog) -> None:
        """One that was told nothing has an empty list."""
        verdicts.add([a_told()])
        assert verdicts.list_told(OTHER, 10) == []

    def test_what_is_older_is_forgotten(self, verdicts: VerdictLog) -> None:
        """And only that."""
        verdicts.add([a_told(number, message=str(number)) for number in range(4)])
        verdicts.drop(START_NS + 2 * 10**9)
        assert [one.message for one in verdicts.list_told(JOB, 10)] == ["2", "3"]

    @pytest.mark.parametrize("text", ["", "ü \N{GREEK SMALL LETTER ALPHA}", "'; DROP TABLE told"])
    def test_any_text_is_kept(self, verdicts: VerdictLog, text: str) -> None:
        """As it was."""
        verdicts.add([a_told(message=text)])
        assert verdicts.list_told(JOB, 1)[0].message == text

    def test_a_later_process_sees_it(
        self, verdicts: VerdictLog, reopened: Callable[[], VerdictLog]
    ) -> None:
        """Also without an orderly end."""
        verdicts.add([a_told()])
        assert reopened().list_told(JOB, 10) == [a_told()]
