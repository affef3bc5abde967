"""The suite of queueing: what ours is told, what is measured, and what is said of it."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from benchmarks import queueing
from benchmarks.gangs import demand_of, gang_of
from benchmarks.keep import keep
from benchmarks.plot import Curve, draw_shares
from benchmarks.queueing_bars import PLAIN, PUBLISHED
from benchmarks.queueing_policies import OURS, THEIRS, follow, policies_for, seeds_of
from benchmarks.queueing_traces import Trace
from benchmarks.told import Told
from benchmarks.waits import Waits
from quarterdeck.sim.fast.workload import SimJob

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.queueing_bars import Found

JOBS = tuple(
    SimJob(line, f"job {line}", submit_s, duration_s, demand_of(8))
    for line, submit_s, duration_s in ((1, 0.0, 100.0), (2, 1.0, 50.0), (3, 2.0, 10.0))
)
TRACE = Trace("tiny", 1, JOBS, tuple(map(gang_of, JOBS)))
"""On one node one at a time: the third and then the second, if the shortest goes first."""


def waits(completion_s: float, queue_s: float = 1.0, p99_s: float = 1.0) -> Waits:
    return Waits(completion_s, queue_s, p99_s, (completion_s,))


def good() -> Found:
    """A run in which all is as it should be."""
    found: Found = {
        trace: {policy: [waits(*row)] for policy, row in rows.items()}
        for trace, rows in PLAIN.items()
    }
    for trace, rows in found.items():
        if trace.startswith("itp"):
            queue_s = min(rows["SJF"][0].queue_s, rows["SJF, skip"][0].queue_s)
            rows["ours, ±50 %"] = [waits(1000, 1.14 * queue_s, 1.0)]
            rows["ours, ×0.1–×10"] = [waits(1240), waits(1250)]
            rows["ours, exact"] = [waits(1000)]
    found["muri3-charged"] = {
        policy: [waits(seconds)] for policy, seconds in PUBLISHED["muri3-charged"].items()
    }
    for trace in ("muri3", "muri3-charged"):
        found[trace]["ours, no durations"] = [waits(294_000)]
    return found


@pytest.mark.parametrize("policy", ["ours, exact", "ours, ±50 %", "SJF", "SJF, skip"])
def test_the_shortest_goes_first_for_ours_and_for_theirs(policy: str) -> None:
    """Told within 50 % the three lengths cannot be mistaken for each other."""
    found = follow(TRACE, policy, 1)
    assert found.queue_s == pytest.approx((0 + 98 + 109) / 3)
    assert found.completion_s == pytest.approx((100 + 108 + 159) / 3)
    assert found.queue_p99_s == pytest.approx(109)
    assert found.completions_s == pytest.approx((100, 108, 159))


def test_durations_are_off_by_what_the_seed_says() -> None:
    for name, least, most in (("ours, ±50 %", 0.5, 1.5), ("ours, ×0.1–×10", 0.1, 10.0)):
        factor = OURS[name].factor
        assert factor is not None
        rng, again = Random(3), Random(3)
        drawn = [factor(rng) for _ in range(1000)]
        assert least <= min(drawn) < 1.2 * least
        assert 0.8 * most < max(drawn) <= most
        assert drawn == [factor(again) for _ in range(1000)]
        assert len(seeds_of(name)) >= 3
    below = sum(10 ** Random(n).uniform(-1, 1) < 1 for n in range(1000))
    assert below == pytest.approx(500, abs=60)


def test_where_placing_costs_only_those_that_make_way_are_compared() -> None:
    assert policies_for("muri3-charged", is_charged=True) == [
        "ours, no durations", "SRTF", "SRSF", "Tiresias",
    ]  # fmt: skip
    assert "ours, no durations" not in policies_for("itp02", is_charged=False)
    assert set(THEIRS) - {"Tiresias"} < set(policies_for("itp02", is_charged=False))


def test_a_good_run_is_said_to_be_good() -> None:
    said = queueing.judge(good())
    assert all(holds for _, holds in said), said
    assert len(said) == 3 + 4 + 2 * 3 + 2 + 2


@pytest.mark.parametrize(
    ("trace", "policy", "worse", "told"),
    [
        ("muri3-charged", "SRTF", waits(194_100), "SRTF on muri3-charged"),
        ("muri3-charged", "ours, no durations", waits(295_001), "without durations"),
        ("muri3", "ours, no durations", waits(295_001), "on muri3 without durations"),
        ("itp02", "SRSF", waits(27_915, 2_604, 21_500), "7 of 8 rows of itp02"),
        ("itp03", "ours, ±50 %", waits(1000, 1.16 * 46_905), "average queue on itp03"),
        ("itp04", "ours, ±50 %", waits(1000, 1.0, 206_545), "99th percentile"),
        ("itp02", "ours, ×0.1–×10", waits(1251), "durations ×0.1–×10: +25.1%"),
    ],
)
def test_what_is_missed_is_said(trace: str, policy: str, worse: Waits, told: str) -> None:
    found = good()
    found[trace][policy] = [worse]
    missed = [what for what, holds in queueing.judge(found) if not holds]
    assert len(missed) == 1
    assert told in missed[0]


def test_a_row_has_the_policy_the_means_and_their_spread() -> None:
    found: Found = {"tiny": {"ours, ±50 %": [waits(90, 40, 10), waits(110, 40, 30)]}}
    header, row = queueing.as_lines(found)
    assert header.split()[0] == "tiny"
    assert " ".join(row.split()) == "ours, ±50 % 100 ± 14 40 ± 0 20 ± 14 0"


def test_a_picture_has_a_curve_for_each_policy(tmp_path: Path) -> None:
    found: Found = {"tiny": {"FIFO": [waits(90)], "ours & exact": [waits(110)]}}
    (path,) = queueing.plot(found, tmp_path / "made")
    root = ET.fromstring(path.read_text())
    assert len([one for one in root if one.tag.endswith("polyline")]) == 2
    assert "ours & exact" in [one.text for one in root]


def test_a_curve_rises_to_all_of_its_values() -> None:
    picture = draw_shares("t", "s", [Curve("one", [10.0, 1.0, 100.0, 100.0])])
    root = ET.fromstring(picture)
    (curve,) = [one for one in root if one.tag.endswith("polyline")]
    points = curve.attrib["points"].split()
    assert points == ["60.0,287.5", "310.0,205.0", "560.0,122.5", "560.0,40.0"]


def test_what_was_measured_is_kept_between_its_marks(tmp_path: Path) -> None:
    docs = tmp_path / "docs.md"
    other = "<!-- two -->\n<!-- end of two -->\n"
    docs.write_text(f"# A\n<!-- one -->\nold\n<!-- end of one -->\n{other}")
    keep("one", "new", docs)
    keep("one", "newer", docs)
    text = docs.read_text()
    assert text.startswith("# A\n<!-- one -->\nMeasured on ")
    assert text.endswith(f"\n\nnewer\n\n<!-- end of one -->\n{other}")
    assert "old" not in text
    with pytest.raises(ValueError, match="three"):
        keep("three", "new", docs)


def test_a_suite_is_told_with_its_verdicts() -> None:
    told = Told("Title", ["row"], [("a", True), ("b", False)])
    assert str(told) == "Title\n\nrow\n\nyes  a\nNO   b"
    assert not told.holds
