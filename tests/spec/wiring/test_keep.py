"""What is said about retention is read once, and refused where it could do harm."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.retention.rules import DAY_S, Retention, Rule
from quarterdeck.wiring.keep import parse_disk, parse_retention


def test_nothing_said_leaves_the_defaults() -> None:
    assert parse_retention([], {}) == Retention()
    assert parse_disk(None, None) == {}


def test_options_win_over_variables_and_both_over_defaults() -> None:
    environment = {"QD_KEEP_LOGS": "1d,1GiB", "QD_KEEP_CHECKPOINTS_SUCCEEDED": "2d"}
    told = parse_retention(["logs=2h,5MiB", "results=forever", "jobs=365d"], environment)
    assert told.logs == Rule(7200.0, 5 * 2**20)
    assert told.checkpoints_succeeded == Rule(2 * DAY_S)
    assert told.results == Rule()
    assert told.jobs == Rule(365 * DAY_S)
    assert told.snapshots == Retention().snapshots


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("logs", "is not KIND=SPAN"),
        ("log=1d", "is not KIND=SPAN"),
        ("logs=30", "not a duration with a unit"),
        ("logs=1d,20", "not a size with a unit"),
        ("snapshots=59m", "kept for 1h00m at least"),
        ("jobs=1d", "kept for 2d00h at least"),
        ("snapshots=9d,1GiB", "have no limit of size"),
    ],
)
def test_what_cannot_be_meant_is_refused(option: str, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        parse_retention([option], {})


def test_a_variable_that_is_wrong_is_named() -> None:
    with pytest.raises(Invalid, match="QD_KEEP_JOBS"):
        parse_retention([], {"QD_KEEP_JOBS": "soon"})


def test_reserve_and_ballast_have_units_and_may_be_none() -> None:
    assert parse_disk("1GiB", "0") == {"disk_reserve_bytes": 2**30, "ballast_bytes": 0}
    with pytest.raises(Invalid, match="disk_reserve"):
        parse_disk("12", None)
