"""Files of other systems become workloads: what is mapped to what, and what is told of the rest."""

from __future__ import annotations

import lzma

import pytest

from benchmarks.traces import find
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.demand import Demand, Group, Resources
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.sim.fast.cells import decode
from quarterdeck.sim.fast.formats.machine import Machine, machine_of
from quarterdeck.sim.fast.formats.sacct import read_sacct
from quarterdeck.sim.fast.formats.swf import read_swf
from quarterdeck.sim.fast.workload import SimJob, Workload, read_workload

GIB = 2**30
BIG = Machine(128, 8, 128, frozenset({"A100-SXM4-80GB"}))
SACCT = "JobID|Submit|Start|End|ElapsedRaw|Timelimit|NNodes|NCPUS|AllocTRES|User|Account|State\n"


def told_of(read: Workload) -> list[tuple[int, str, bool]]:
    return [(one.line, one.what, one.is_left_out) for one in read.remarks]


def swf(**fields: object) -> str:
    """A line; what is not given is not known."""
    names = ["number", "submit", "wait", "run", "allocated", "cpu", "used", "requested", "time"]
    names += ["memory", "status", "user", "group", "app", "queue", "partition", "before", "think"]
    return " ".join(str(fields.get(name, -1)) for name in names)


def test_the_own_format_knows_what_the_scheduler_believes_and_what_is_lost() -> None:
    text = "submit,duration,gpus,estimate,checkpoint,preemptible\n0,10,1,20,5,no\n1,10,1,,,\n"
    first, second = read_workload(text, "w.csv").jobs
    assert (first.estimate_s, first.checkpoint_s, first.is_preemptible) == (20, 5, False)
    assert (second.estimate_s, second.checkpoint_s, second.is_preemptible) == (None, None, True)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("0,1,1,soon,,", "estimate is 'soon', not a number of seconds"),
        ("0,1,1,,-1,", "checkpoint is -1: seconds from 0"),
        ("0,1,1,,,maybe", "preemptible is 'maybe', not yes or no"),
    ],
)
def test_its_new_columns_are_checked(line: str, told: str) -> None:
    header = "submit,duration,gpus,estimate,checkpoint,preemptible\n"
    ((number, what, left_out),) = told_of(read_workload(f"{header}0,1,1,,,\n{line}\n", "w.csv"))
    assert (number, left_out) == (3, True)
    assert told in what


def test_bytes_that_are_no_text_cost_their_line_only() -> None:
    content = b"\xef\xbb\xbfsubmit,duration,gpus,job\n0,1,1,a\n1,1,1,caf\xe9\n2,1,1,c\n"
    read = read_workload(decode(content), "w.csv")
    assert [job.name for job in read.jobs] == ["a", "c"]
    assert told_of(read) == [(3, r"it has bytes that are not UTF-8: 'caf\udce9'", True)]


def test_a_quote_that_is_never_closed_costs_its_line_and_not_the_rest_of_the_file() -> None:
    rows = [f"{n},1,1,job {n}" for n in range(200)]
    rows[1] = '1,1,1,"bob'
    read = read_workload("submit,duration,gpus,job\n" + "\n".join(rows) + "\n", "w.csv")
    assert len(read.jobs) == 199
    assert read.left_out == 1
    ((line, what, left_out),) = told_of(read)
    assert (line, left_out) == (3, True)
    assert "is a quote not closed on its line?" in what


@pytest.mark.parametrize("cell", ['"two\nlines"', '"a"b', '"two\rlines"', "two\rlines"])
def test_a_cell_with_a_line_break_or_text_after_its_quote_is_left_out(cell: str) -> None:
    text = f"submit,duration,gpus,job\n0,1,1,{cell}\n1,1,1,good\n"
    read = read_workload(text, "w.csv")
    assert [job.name for job in read.jobs] == ["good"]
    lines = list(range(2, 3 + cell.count("\n")))
    assert [line for line, _, _ in told_of(read)] == lines
    assert read.left_out == len(lines)


def test_lines_may_end_as_on_windows_and_quotes_may_hold_commas() -> None:
    read = read_workload('submit,duration,gpus,job\r\n0,1,1,"a ""b"", c"\r\n', "w.csv")
    assert [job.name for job in read.jobs] == ['a "b", c']
    assert read.remarks == ()


def test_the_gpus_of_all_groups_of_a_job_count() -> None:
    beside = (Group(1, Resources(4)),)
    job = SimJob(2, "j", 0, 1, Demand(2, Resources(1, gpu_percent=50), beside=beside))
    assert job.gpus == 2 * 0.5 + 4


def test_a_file_without_one_good_line_is_refused_with_the_first_bad_one() -> None:
    with pytest.raises(Invalid, match=r"w\.csv: no line of it can be used; the first is 2: submit"):
        read_workload("submit,duration,gpus\nx,1,1\ny,1,1\n", "w.csv")


def test_remarks_that_are_too_many_to_keep_are_counted() -> None:
    lines = "0,1,1\n" + "x,1,1\n" * 12_000
    read = read_workload("submit,duration,gpus\n" + lines, "w.csv")
    assert (read.left_out, len(read.remarks), read.untold) == (12_000, 10_000, 2_000)


def test_processors_of_swf_are_cpus_on_as_few_nodes_as_hold_them() -> None:
    text = (
        f"; a comment\n\n{swf(number=7, submit=5, run=60, requested=30, time=90, user=3, group=2)}"
    )
    read = read_swf(text, "t.swf", Machine(16))
    (job,) = read.jobs
    assert (job.line, job.name, job.submit_s, job.duration_s) == (3, "job 7", 5, 60)
    assert (job.demand.nodes, job.demand.resources.cpus, job.demand.resources.gpus) == (2, 15, 0)
    assert (job.estimate_s, job.user, job.team) == (90, "user-3", "group-2")
    assert "no GPUs" in read.notes[0]


def test_processors_of_swf_become_gpus_where_one_says_how_many() -> None:
    text = swf(submit=0, run=60, allocated=24, memory=1024)
    (job,) = read_swf(text, "t.swf", BIG, gpus_per_processor=0.5).jobs
    wanted = job.demand.resources
    assert (job.demand.nodes, wanted.gpus, wanted.cpus) == (2, 6, 12)
    assert wanted.memory_bytes == 12 * 1024 * 1024
    with pytest.raises(Invalid, match="the cluster has none"):
        read_swf(text, "t.swf", Machine(16), gpus_per_processor=1)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (swf(submit=0, run=-1, requested=1), "run time is -1: it is not known"),
        (swf(submit=-1, run=1, requested=1), "submit time is -1"),
        (swf(submit=0, run=1), "neither requested nor allocated processors are known"),
        (swf(submit=0, run=1, requested=1.5), "processors are 1.5"),
        (swf(submit=0, run=-5, requested=1), "run time is -5"),
        (swf(submit=0, run="x", requested=1), "run time is 'x', not a number"),
        (swf(submit=0, run=1, requested=1, memory=1e300), "requested memory is 1e+300"),
        ("1 2 3", "3 fields instead of 18"),
    ],
)
def test_a_line_of_swf_that_is_no_job_is_told_with_its_number(line: str, told: str) -> None:
    read = read_swf(f"{swf(submit=0, run=1, requested=1)}\n{line}\n", "t.swf", BIG)
    ((number, what, left_out),) = told_of(read)
    assert (number, left_out, read.left_out) == (2, True, 1)
    assert told in what


def test_a_real_log_is_read_whole() -> None:
    """HPC2N: 3,170 jobs, 25 of which have no run time (counted with awk)."""
    found = find("swf/hpc2n-3171.swf")
    if found is None:
        pytest.skip("the public traces are not here (QD_TRACES)")
    content = lzma.decompress(found.read_bytes()) if found.suffix == ".xz" else found.read_bytes()
    read = read_swf(decode(content), "hpc2n.swf", Machine(2))
    assert (len(read.jobs), read.left_out) == (3145, 25)
    assert {what for _, what, _ in told_of(read)} == {"run time is -1: it is not known"}


def sacct_line(**cells: str) -> str:
    usual = {
        "JobID": "1", "Submit": "2026-06-01T00:00:00", "Start": "2026-06-01T00:01:00",
        "End": "2026-06-01T00:02:00", "ElapsedRaw": "60", "Timelimit": "1-00:00:00", "NNodes": "1",
        "NCPUS": "8", "AllocTRES": "", "User": "ada", "Account": "vision", "State": "COMPLETED",
    }  # fmt: skip
    return "|".join({**usual, **cells}.values()) + "\n"


def test_the_header_of_sacct_decides_and_gpus_are_those_of_the_tres() -> None:
    tres = "billing=32,cpu=32,gres/gpu=16,gres/gpu:a100=16,mem=100G,node=2"
    text = SACCT + sacct_line(NNodes="2", NCPUS="32", AllocTRES=tres)
    text += sacct_line(JobID="2_7", Submit="2026-05-31T23:59:30", Timelimit="UNLIMITED")
    first, second = sorted(read_sacct(text, "s", BIG).jobs, key=lambda job: job.line)
    wanted = first.demand.resources
    assert (first.demand.nodes, wanted.gpus, wanted.cpus, wanted.gpu_model) == (2, 8, 16, "a100")
    assert wanted.memory_bytes == 50 * GIB
    assert (first.submit_s, first.duration_s, first.estimate_s) == (30, 60, 86400)
    assert (first.team, first.user) == ("vision", "ada")
    assert (second.submit_s, second.name, second.estimate_s) == (0, "2_7", None)


def test_other_columns_of_sacct_say_the_same() -> None:
    text = (
        "ReqTRES|JobIDRaw|JobID|Elapsed|TimelimitRaw|ReqCPUS|AllocNodes|Submit|\n"
        "cpu=4,gres/gpu:a100=1,gres/gpu:h100=2|9|9|1-02:03:04|90|4|0|1780272000|\n"
    )
    (job,) = read_sacct(text, "s", BIG).jobs
    assert job.duration_s == ((24 + 2) * 60 + 3) * 60 + 4
    assert job.estimate_s == 90 * 60
    assert (job.demand.resources.gpus, job.demand.resources.gpu_model) == (3, None)
    assert job.demand.resources.cpus == 4


def test_steps_are_counted_and_types_that_are_not_there_are_told() -> None:
    text = SACCT + sacct_line(AllocTRES="gres/gpu=1,gres/gpu:v100=1")
    text += sacct_line(JobID="1.batch", State="") + sacct_line(JobID="1.0") + "\n"
    read = read_sacct(text, "s", BIG)
    assert len(read.jobs) == 1
    assert read.remarks == ()
    assert any(note.startswith("2 lines are steps") for note in read.notes)
    assert any("type 'v100'" in note for note in read.notes)
    assert read.jobs[0].demand.resources.gpu_model is None


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"Start": "Unknown", "End": "Unknown", "State": "PENDING"}, "it never started"),
        ({"ElapsedRaw": "0", "State": "CANCELLED by 7"}, "it never started: State is 'CANCELLED'"),
        ({"Submit": "yesterday"}, "Submit is 'yesterday'"),
        ({"ElapsedRaw": "-5"}, "ElapsedRaw is -5"),
        ({"End": "2025-06-01T00:00:00"}, "is before Start"),
        ({"AllocTRES": "gpus"}, "TRES is 'gpus'"),
        ({"AllocTRES": "mem=lots"}, "mem is 'lots'"),
        ({"Timelimit": "soon"}, "Timelimit is 'soon'"),
        ({"User": "a|b"}, "13 columns instead of 12"),
    ],
)
def test_a_line_of_sacct_that_is_no_job_is_told_with_its_number(
    cells: dict[str, str], told: str
) -> None:
    read = read_sacct(SACCT + sacct_line() + sacct_line(**cells), "s", BIG)
    ((number, what, left_out),) = told_of(read)
    assert (number, left_out, len(read.jobs)) == (3, True, 1)
    assert told in what


def test_a_job_that_still_runs_is_used_and_told() -> None:
    read = read_sacct(SACCT + sacct_line(End="Unknown", State="RUNNING"), "s", BIG)
    assert len(read.jobs) == 1
    assert told_of(read) == [(2, "State is RUNNING: taken as if it had ended by now", False)]


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("", "has no column JobID, Submit, ElapsedRaw"),
        ("JobID|Submit|JobID|Elapsed", "has 'JobID' twice"),
        ("JobID|Submit|Start", "no column ElapsedRaw"),
    ],
)
def test_a_header_of_sacct_without_what_is_needed_is_refused(header: str, told: str) -> None:
    with pytest.raises(Invalid, match=told) as caught:
        read_sacct(header, "s", BIG)
    assert caught.value.hint


def test_a_machine_has_the_cpus_of_its_largest_node_and_the_gpus_of_its_fullest() -> None:
    gpus = tuple(Device(f"G{n}", "A100", GIB) for n in range(4))
    found = machine_of([Node("a", 256, GIB), Node("b", 64, GIB, gpus), Node("c", 32, GIB, gpus)])
    assert found == Machine(256, 4, 64, frozenset({"A100"}))
