"""Public traces become jobs."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from benchmarks import helios, itp, muri, philly, pollux, shockwave
from benchmarks.gangs import build_cluster, demand_of, gang_of
from benchmarks.helios import Minute, Piece, cut
from benchmarks.queueing_traces import known_names, read_trace
from benchmarks.traces import NoTraces, read_packed_rows

if TYPE_CHECKING:
    from pathlib import Path

ITP = "job_id,submission_time,duration,num_gpu\nf60b,5010,1265,1\nfd9f,5016,2066,16\n"
MURI = (
    "job_id,num_gpu,submit_time,iterations,model_name,batch_size,duration,interval,iteration_time\n"
    "0,4,500,2000,a2c,128,9,9,1500\n"
    "1,8,1500,1000,bert,4,9,9,2000\n"
)
PHILLY = (
    "job,timestamp,duration,num_gpus,gpu_time,cluster\n"
    "0,2017-09-04 10:30:41,100.0,8,800,7f04ca\n"
    "1,2017-09-05 10:31:41,50.0,1,50,6214e9\n"
)
SHOCKWAVE = (
    "LM (batch size 10)\tpython3 main.py\tlm\t--steps\t1\t134583\t2\tstatic\t1\t-1.0\t1418\t7\n"
)
SPEEDS = """{"v100": {"('LM (batch size 10)', 2)": {"null": 100.0}, "overhead": {}}}"""
POLLUX = (
    "name,time,application,num_replicas,batch_size\nncf-0,35,ncf,1,9\nimagenet-1,60,imagenet,8,9\n"
)


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of traces of a few lines each."""
    for name, text in {
        "itp/cluster02.csv": ITP,
        "itp/cluster09.csv": ITP,
        "muri/trace3.csv": MURI,
        "muri/n8g8.csv": "num_switch,num_node_p_switch,num_gpu_p_node\n1,8,8\n",
        "philly/philly_jobs_to_2017-10.csv": PHILLY,
        "philly/philly_vc_nodes.csv": "vc,node num\n6214e9,64\n7f04ca,32\n",
        "shockwave/120jobs_dynamic.trace": SHOCKWAVE,
        "shockwave/tacc_throughputs.json": SPEEDS,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "pollux").mkdir()
    with tarfile.open(tmp_path / "pollux" / "workloads.tar.xz", "w:xz") as packed:
        entry = tarfile.TarInfo("workloads/workload-1.csv")
        entry.size = len(POLLUX)
        packed.addfile(entry, io.BytesIO(POLLUX.encode()))
    monkeypatch.setenv("QD_TRACES", str(tmp_path))
    return tmp_path


def test_more_gpus_than_a_node_has_take_whole_nodes() -> None:
    shapes = [(demand.nodes, demand.resources.gpus) for demand in map(demand_of, (1, 8, 12, 64))]
    assert shapes == [(1, 1), (1, 8), (2, 8), (8, 8)]
    assert [len(node.devices) for node in build_cluster(2)] == [8, 8]


@pytest.mark.usefixtures("traces")
def test_itp_says_seconds() -> None:
    first, second = itp.read_jobs("02")
    assert (first.submit_s, first.duration_s, first.gpus) == (5010, 1265, 1)
    assert second.demand.nodes == 2
    assert tuple(gang_of(second)) == (5016, 2066, 16, 0)


@pytest.mark.usefixtures("traces")
def test_muri_says_milliseconds_and_its_physics_charges_by_model_and_gpus() -> None:
    first, second = muri.read_jobs("3")
    assert (first.submit_s, first.duration_s, first.gpus) == (0.5, 3000, 4)
    assert second.duration_s == 2000
    charged = muri.read_charged("3")
    assert [gang.overhead_s for gang in charged] == [39, 10]
    assert charged[0].duration_s == pytest.approx(3045)
    assert muri.read_nodes() == 8


@pytest.mark.usefixtures("traces")
def test_philly_begins_at_its_first_job_whoever_s_it_is() -> None:
    (job,) = philly.read_jobs("6214e9")
    assert (job.submit_s, job.duration_s, job.gpus, job.team) == (86460, 50, 1, "6214e9")
    assert philly.read_virtual_clusters() == {"6214e9": 64, "7f04ca": 32}


@pytest.mark.usefixtures("traces")
def test_shockwave_takes_its_steps_at_the_speed_of_its_model_and_batch() -> None:
    """23 epochs of 59,675 samples, 10 at a time, 100 times a second."""
    (job,) = shockwave.read_jobs()
    assert (job.submit_s, job.gpus) == (7, 2)
    assert job.duration_s == pytest.approx(23 * 59_675 / 10 / 100)


def test_pollux_gets_gpu_time_by_model(traces: Path) -> None:
    small, large = pollux.read_jobs("workloads", 1)
    assert small.gpus * small.duration_s / 3600 == pytest.approx(0.316, abs=0.001)
    assert large.gpus * large.duration_s / 3600 == pytest.approx(316.2, abs=0.1)
    with pytest.raises(NoTraces, match="workload-9"):
        list(read_packed_rows("pollux/workloads.tar", "workloads/workload-9.csv"))
    assert (traces / "pollux").exists()


def test_what_runs_and_what_waits_becomes_jobs() -> None:
    """Four GPUs run from 0 on; four more are wanted at 1, run from 3 on; all end at 4."""
    minutes = [Minute(4, 0), Minute(4, 4), Minute(4, 4), Minute(8, 0), Minute(0, 0)]
    assert cut(minutes) == [Piece(4, 0, 0, 4), Piece(4, 1, 3, 4)]


def test_who_waits_no_longer_has_started_though_as_many_run_as_before() -> None:
    """So others have ended; what runs in the last minute ends after it."""
    assert cut([Minute(4, 4), Minute(4, 0)]) == [Piece(4, 0, 0, 1), Piece(4, 0, 1, 2)]


def test_pieces_use_as_much_as_ran() -> None:
    minutes = [Minute(n % 7, (3 * n) % 5) for n in range(50)]
    pieces = cut(minutes)
    used = sum(piece.gpus * (piece.end - piece.start) for piece in pieces)
    assert used == sum(minute.running for minute in minutes)
    assert all(piece.submit <= piece.start < piece.end for piece in pieces)


def test_sizes_of_helios_are_apart(traces: Path) -> None:
    (traces / "helios").mkdir()
    columns = [f"{kind}_gpu_num_{size}" for kind in ("running", "pending") for size in helios.SIZES]
    minutes = f"{','.join(columns)}\n16,3,8,0\n0,3,8,0\n"
    (traces / "helios" / "Earth_May_vcpDC.csv").write_text(minutes)
    sizes = "date,vcA,vcB,total\n2020-05-01,8,16,24\n"
    (traces / "helios" / "Earth_gpu_number.csv").write_text(sizes)
    jobs = helios.read_jobs("vcpDC")
    assert sorted((job.gpus, job.submit_s, job.duration_s) for job in jobs) == [
        (3, 0, 120), (16, 0, 60),
    ]  # fmt: skip
    assert {job.team for job in jobs} == {"vcpDC"}
    assert helios.read_gpus("2020-05-01") == {"vcA": 8, "vcB": 16}


@pytest.mark.usefixtures("traces")
def test_a_trace_may_run_on_another_number_of_nodes() -> None:
    usual, other = read_trace("itp02"), read_trace("itp02@15")
    assert (other.name, other.nodes, other.jobs) == ("itp02@15", 15, usual.jobs)


@pytest.mark.usefixtures("traces")
def test_each_trace_has_its_cluster() -> None:
    names = ["itp02", "itp09", "muri3", "muri3-charged", "philly-6214e9", "philly-7f04ca"]
    assert known_names() == names
    nodes = {name: read_trace(name).nodes for name in names}
    # Unknown clusters of ITP are loaded to 90 %: 1,265 + 16 × 2,066 GPU seconds come within 6 s.
    assert nodes == {"itp02": 12, "itp09": 794, "muri3": 8, "muri3-charged": 8,
                     "philly-6214e9": 64, "philly-7f04ca": 32}  # fmt: skip


@pytest.mark.usefixtures("traces")
def test_where_placing_costs_ours_is_slowed_down_and_charged_as_well() -> None:
    plain, charged = read_trace("muri3"), read_trace("muri3-charged")
    assert (plain.restart_s, charged.restart_s) == (0, 46)
    assert charged.jobs[0].duration_s == pytest.approx(plain.jobs[0].duration_s * 1.015 + 39)
