"""Workloads run on virtual time by the scheduler alone: reading, running, and the figures told."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hardware import Device, Location, Node
from quarterdeck.core.scheduling.snapshot import Backfill, Policy
from quarterdeck.sim.fast.figures import figures_of
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.story import Story
from quarterdeck.sim.fast.workload import SimJob, read_workload
from quarterdeck.testing.builders import a_demand, a_dgx
from quarterdeck.wiring.simulate.command import command

HEADER = "job,submit,duration,nodes,gpus,team\n"


def nodes(count: int, gpus: int = 4) -> list[Node]:
    """In racks of two."""
    return [
        Node(
            f"n{n}",
            64,
            2**40,
            tuple(Device(f"G-{n}-{g}", "A100", 80 * 10**9) for g in range(gpus)),
            location=Location(f"r{n // 2}", "u", "p"),
        )
        for n in range(count)
    ]


def story(text: str, count: int = 1, patience_s: float = 300.0) -> Story:
    """Of lines below the header."""
    return run(nodes(count), read_workload(HEADER + text, "w.csv").jobs, Policy(patience_s))


def starts(told: Story) -> dict[str, float]:
    """When each job started."""
    return {one.job.name: one.start_s for one in told.ran}


def test_a_job_starts_when_what_it_needs_comes_free() -> None:
    told = story("a,0,100,1,3,\nb,10,50,1,2,\nc,20,5,1,1,\n")
    assert starts(told) == {"a": 0, "b": 100, "c": 20}
    figures = figures_of(told)
    assert figures["wait_mean_s"] == pytest.approx((0 + 90 + 0) / 3)
    assert figures["completion_p99_s"] == 140
    assert figures["makespan_s"] == 150
    assert figures["utilisation"] == pytest.approx((3 * 100 + 2 * 50 + 5) / (4 * 150))


def test_nothing_passes_a_job_for_longer_than_the_patience() -> None:
    lines = "a,0,100,1,3,\nbig,1,10,1,4,\n" + "".join(f"s{n},{n},40,1,1,\n" for n in range(2, 200))
    patient, strict = starts(story(lines, patience_s=1000)), starts(story(lines, patience_s=0))
    assert strict["big"] == 100
    assert patient["big"] > 1000


def test_no_gpu_is_held_twice_at_any_time() -> None:
    lines = "".join(
        f"j{n},{n % 37},{5 + n * 7 % 90},{1 + n % 3},{1 + n % 4},\n" for n in range(300)
    )
    told = run(nodes(6), read_workload(HEADER + lines, "w.csv").jobs, Policy())
    assert len(told.ran) == 300
    held: dict[str, list[tuple[float, float]]] = {}
    for one in told.ran:
        assert one.start_s >= one.job.submit_s
        assert len({grant.node for grant in one.grants}) == one.job.demand.nodes
        for grant in one.grants:
            assert len(grant.devices) == one.job.demand.resources.gpus
            for device in grant.devices:
                held.setdefault(device, []).append((one.start_s, one.end_s))
    for spans in held.values():
        spans.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_a_job_that_can_never_fit_is_told_and_holds_up_nobody() -> None:
    told = story("huge,0,10,9,4,\nsmall,1,10,1,4,\n")
    assert starts(told) == {"small": 1}
    assert [(job.line, "9 nodes wanted" in why) for job, why in told.never] == [(2, True)]
    assert figures_of(told)["jobs_never"] == 1


def test_a_gang_is_said_to_be_as_near_as_it_lies() -> None:
    figures = figures_of(story("a,0,10,2,4,\nb,20,10,3,4,\n", count=4))
    assert figures["gangs"] == 2
    assert figures["gangs_in_one_rack"] == 0.5
    assert figures["gangs_in_one_unit"] == 1


def test_jain_is_one_when_all_teams_are_slowed_down_alike() -> None:
    alike = figures_of(story("a,0,100,1,2,red\nb,0,100,1,2,blue\n"))
    uneven = figures_of(story("a,0,100,1,4,red\nb,0,100,1,4,blue\n"))
    assert alike["jain_teams"] == 1
    assert uneven["jain_teams"] == pytest.approx((1 + 2) ** 2 / (2 * (1 + 4)))


def test_no_jobs_give_figures_too() -> None:
    assert figures_of(story(""))["jobs"] == 0


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a,-1,5,1,1,", "submit is -1"),
        ("a,1,-5,1,1,", "duration is -5"),
        ("a,nan,5,1,1,", "submit is nan"),
        ("a,soon,5,1,1,", "submit is 'soon', not a number of seconds"),
        ("a,1,5,0,1,", "nodes is 0"),
        ("a,1,5,1.5,1,", "nodes is '1.5', not a whole number"),
        ("a,1,5,1,many:x,", "gpus is 'many:x'"),
        ("a,1,5", "3 columns instead of 6"),
    ],
)
def test_a_line_that_is_no_job_is_told_with_its_number(line: str, told: str) -> None:
    read = read_workload(f"{HEADER}ok,0,5,1,1,\n\n{line}\nlast,9,5,1,1,\n", "w.csv")
    assert [job.name for job in read.jobs] == ["ok", "last"]
    assert [(one.line, one.is_left_out) for one in read.remarks] == [(4, True)]
    assert told in read.remarks[0].what


def test_time_that_goes_back_is_told_and_nothing_is_lost() -> None:
    read = read_workload(f"{HEADER}a,9,5,1,1,\nb,3,5,1,1,\n", "w.csv")
    assert [job.name for job in read.jobs] == ["b", "a"]
    assert [(one.line, one.is_left_out) for one in read.remarks] == [(3, False)]


def test_columns_that_nobody_knows_are_told_and_those_that_are_missing_are_refused() -> None:
    read = read_workload("submit,duration,gpus,colour\n0,1,1,red\n", "w.csv")
    assert [(one.line, one.is_left_out) for one in read.remarks] == [(1, False)]
    assert "'colour'" in read.remarks[0].what
    for header in ("", "submit,gpus\n", "submit,submit,duration,gpus\n"):
        with pytest.raises(Invalid, match=r"w\.csv:1: the header"):
            read_workload(header, "w.csv")


def test_the_command_prints_the_same_twice_and_compares(tmp_path: Path) -> None:
    site, jobs = tmp_path / "site.yaml", tmp_path / "jobs.csv"
    site.write_text("name: here\nnodes:\n  - {names: 'dgx-[1-2]', type: dgx-a100}\n")
    lines = "".join(f"j{n},{n},{30 + n % 50},1,{1 + n % 8},\n" for n in range(120))
    jobs.write_text(f"{HEADER}{lines}x,-1,1,1,1,\n")
    asked = ["run", "--cluster", str(site), "--workload", str(jobs)]
    first, second = (CliRunner().invoke(command, [*asked, "-o", "json"]) for _ in range(2))
    assert first.exit_code == 0, first.output
    assert first.output == second.output
    found = json.loads(first.output)
    assert (found["jobs_read"], found["lines_left_out"]) == (120, 1)
    assert found["remarks"][0]["line"] == 122
    assert found["figures"]["usual"]["jobs"] == 120
    table = CliRunner().invoke(command, [*asked, "--patience", "0s", "--patience", "1h"])
    assert "patience 0ms" in table.output
    assert "jobs.csv:122: submit is -1" in table.output
    assert "wait_mean_s" in table.output


def test_a_promise_is_kept_in_a_run() -> None:
    """A run ends early; the first of those that wait does not move into the gap of the second."""
    nodes = [a_dgx("a"), a_dgx("b")]
    jobs = [
        SimJob(n, f"job {n}", float(n), really_h * 3600, a_demand(count, 8), limit_s=limit_h * 3600)
        for n, (count, limit_h, really_h) in enumerate(
            [(1, 3, 0.5), (1, 1, 1), (2, 9, 9), (1, 1.5, 1.5)]
        )
    ]
    policy = Policy(patience_s=0, nearness_patience_s=0, backfill=Backfill.CONSERVATIVE)
    starts = {one.job.line: one.start_s for one in run(nodes, jobs, policy).ran}
    assert starts[3] == 0.5 * 3600
