"""The harness that compares where gangs lie: its reading, its rules, and what it says."""

from __future__ import annotations

import lzma
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import lingjun, topology
from benchmarks.baselines.topology import (
    FirstFit,
    LargestLeaves,
    Ran,
    RandomHosts,
    Rule,
    SlurmTree,
    SmallestLeaves,
    replay,
)
from benchmarks.lingjun import Host, Job
from benchmarks.topology import Measured

TOPO = "ip,DSW,PSW,ASW\nb,G6,P12,S2\na,G6,P8,S10\nc,G6,P8,S2\nd,G6,P8,S2\n"
JOBS = "job_id,submit_s,gpus,duration_s\n0,1.5,8,100.0\n1,2.0,16,50.5\n2,3.0,24,10.0\n"


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four hosts, and a list of two jobs."""
    folder = tmp_path / "topology"
    folder.mkdir()
    (folder / "lingjun_topo.csv.xz").write_bytes(lzma.compress(TOPO.encode()))
    for seed in (10, 2):
        (folder / f"workload_load90_seed{seed}.csv").write_text(JOBS)
    monkeypatch.setenv("QD_TRACES", str(tmp_path))
    return tmp_path


def fabric(*leaves: int, pods: int = 1) -> list[Host]:
    """So many hosts on each leaf; the leaves are dealt over the pods in turn of halves."""
    per_pod = -(-len(leaves) // pods)
    return [
        Host(f"h{leaf}-{number}", f"p{leaf // per_pod}", f"s{leaf}")
        for leaf, count in enumerate(leaves)
        for number in range(count)
    ]


def where(hosts: list[Host], ran: list[Ran]) -> dict[int, list[str]]:
    """The leaves of each job, by its number."""
    return {one.job.number: sorted({hosts[host].leaf for host in one.hosts}) for one in ran}


def blocks(*gpus: int) -> list[Job]:
    """Jobs that come one after the other and stay."""
    return [Job(number, float(number), size, 1e6) for number, size in enumerate(gpus)]


def test_the_fabric_and_the_lists_are_read_in_order(traces: Path) -> None:
    assert [host.name for host in lingjun.read_hosts()] == ["c", "d", "a", "b"]
    assert lingjun.list_names(90) == ["workload_load90_seed2", "workload_load90_seed10"]
    assert lingjun.list_names(70) == []
    jobs = lingjun.read_jobs("workload_load90_seed2")
    assert jobs[1] == Job(1, 2.0, 16, 50.5)
    assert [job.hosts for job in jobs] == [1, 2, 3]


def test_slurm_takes_the_lowest_switch_with_room_and_the_fullest_of_these() -> None:
    """After a gang of three on leaf s1, two fit s0 exactly; five need all that is left of p0, which
    is fuller than p1."""
    hosts = fabric(2, 5, 4, 4, 4, 4, pods=2)
    ran = replay(hosts, blocks(24, 16, 48), SlurmTree())
    assert where(hosts, ran) == {0: ["s2"], 1: ["s0"], 2: ["s1", "s2"]}


def test_the_last_leaf_is_where_slurm_and_the_largest_first_part() -> None:
    hosts = fabric(4, 3, 2)
    assert where(hosts, replay(hosts, blocks(48), SlurmTree())) == {0: ["s0", "s2"]}
    assert where(hosts, replay(hosts, blocks(48), LargestLeaves())) == {0: ["s0", "s1"]}
    assert where(hosts, replay(hosts, blocks(48), SmallestLeaves())) == {0: ["s0", "s1", "s2"]}
    assert where(hosts, replay(hosts, blocks(40), FirstFit())) == {0: ["s0", "s1"]}


def test_a_job_of_one_host_fills_a_host_and_then_the_fullest_leaf() -> None:
    hosts = fabric(3, 2)
    ran = replay(hosts, blocks(4, 8, 4), SlurmTree())
    assert where(hosts, ran) == {0: ["s1"], 1: ["s1"], 2: ["s1"]}


@pytest.mark.parametrize(
    "rule", [FirstFit(), SmallestLeaves(), SlurmTree(), LargestLeaves(), RandomHosts(3), None]
)
def test_everybody_gets_room_once_and_in_time(rule: Rule | None) -> None:
    """What does not fit is passed by, and starts as soon as enough has ended."""
    hosts = fabric(2, 2, pods=2)
    jobs = [Job(0, 0.0, 24, 1000.0), Job(1, 1.0, 16, 10.0), Job(2, 2.0, 8, 50.0)]
    jobs += [Job(number, 3.0, 4, 20.0) for number in (3, 4)]
    ran = topology.our_replay(hosts, jobs) if rule is None else replay(hosts, jobs, rule)
    assert {one.job.number: one.start_s for one in ran} == {0: 0, 1: 1000, 2: 2, 3: 52, 4: 52}
    assert [len(set(one.hosts)) for one in ran if one.job.number == 0] == [3]


def test_no_more_than_fifty_are_passed_by() -> None:
    hosts = fabric(2)
    jobs = [Job(0, 0.0, 8, 100.0)]
    jobs += [Job(number, 1.0, 16, 1.0) for number in range(1, 52)] + [Job(52, 2.0, 8, 1.0)]
    starts = {one.job.number: one.start_s for one in replay(hosts, jobs, SlurmTree())}
    assert starts[52] > 100
    starts = {one.job.number: one.start_s for one in replay(hosts, jobs[1:], SlurmTree())}
    assert starts[1] == 1


def test_what_is_measured_is_worked_out_by_hand() -> None:
    """Sixteen hosts on three leaves of two pods for 1 s, two on one leaf for 8 s, two on two."""
    hosts = fabric(8, 8, 8, 8, pods=2)
    spread = Ran(Job(0, 0.0, 128, 1.0), 6.0, (*range(7), *range(8, 16), 16))
    near, apart = (Job(number, 0.0, 16, 8.0) for number in (1, 2))
    single = Ran(Job(3, 1.0, 8, 1.0), 3.0, (31,))
    found = topology.measure(
        hosts, [spread, Ran(near, 0.0, (24, 25)), Ran(apart, 0.0, (26, 7)), single]
    )
    assert found.leaf == pytest.approx((3 + 1 + 2) / (2 + 1 + 1))
    assert found.leaf_by_gpu_time == pytest.approx((128 * 3 + 128 + 128 * 2) / (128 * 4))
    assert found.one_leaf == pytest.approx(50)
    assert found.cross_pod == pytest.approx(200 / 3)
    assert found.cross_pod_by_gpu_time == pytest.approx(200 / 3)
    assert found.wait_s == pytest.approx((6 + 2) / 4)


def test_a_run_has_a_row_for_each_rule_and_ours_comes_first(traces: Path) -> None:
    found = topology.run([90])
    lines = topology.as_lines(found)
    assert len(lines) == 1 + len(topology.RULES)
    assert lines[1].split()[:2] == ["0.9", "ours"]
    assert set(found[90]["ours"]) == {"workload_load90_seed2", "workload_load90_seed10"}


def test_what_is_not_reached_is_said() -> None:
    good = Measured(1.05, 1.1, 97.5, 0.5, 2.0, 25.0)
    slurm = Measured(1.1, 1.1, 95.0, 3.0, 9.0, 20.0)
    for better in ({}, {"leaf": 1.06}, {"wait_s": 26.0}):
        ours = replace(good, **better)
        assert all(holds for _, holds in judged(ours, slurm))
    for worse in ({"leaf": 1.07}, {"one_leaf": 96.9}, {"cross_pod": 1.1}, {"wait_s": 26.1}):
        said = judged(replace(good, **worse), slurm)
        assert [holds for _, holds in said].count(False) == 1
    said = topology.judge(
        {70: {"ours": {"x": replace(good, leaf=1.04)}, topology.SLURM: {"x": slurm}}}
    )
    assert [holds for _, holds in said] == [False]


def judged(ours: Measured, slurm: Measured) -> list[tuple[str, bool]]:
    return topology.judge({90: {"ours": {"x": ours}, topology.SLURM: {"x": slurm}}})
