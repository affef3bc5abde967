"""Whole answers: one set recorded from Slurm 22.05.8, and lines as later versions write them.

The lines were put together from squeue(1), scontrol(1) and sinfo(1) of 23.02 to 25.05 and their
release notes; names and numbers are made up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.adapters.engines.slurm.locations import locate_nodes
from quarterdeck.adapters.engines.slurm.parsing import (
    SQUEUE_FIELDS,
    parse_sacct,
    parse_squeue,
)
from quarterdeck.adapters.engines.slurm.records import Gres, SlurmNode
from quarterdeck.adapters.engines.slurm.scontrol import (
    parse_config,
    parse_nodes,
    parse_partitions,
    parse_reservations,
    parse_topology,
    parse_version,
)
from quarterdeck.core.cluster.hardware import Location

RECORDED = Path(__file__).parent / "recorded"
MARK = "~0123abcd~"
LATER = {
    "JobID": "812", "ArrayJobID": "812", "ArrayTaskID": "N/A", "Name": "train",
    "Comment": "(null)", "UserName": "ada", "Account": "vision", "QOS": "normal",
    "Partition": "h100", "State": "RUNNING", "Reason": "None", "NodeList": "dgx[01-02]",
    "SubmitTime": "2025-05-01T08:00:00", "StartTime": "2025-05-01T08:00:05",
    "EndTime": "2025-05-02T08:00:05", "TimeLimit": "1-00:00:00",
    "tres-per-node": "gres/gpu:h100:8", "tres-per-job": "N/A",
    "tres-alloc": "cpu=128,mem=1000G,node=2,billing=128,gres/gpu=16,gres/gpu:h100=16",
    "NumCPUs": "128", "RestartCnt": "2", "exit_code": "0",
}  # fmt: skip
NODE = (
    "NodeName=dgx01 Arch=x86_64 CoresPerSocket=56  CPUAlloc=16 CPUEfctv=224 CPUTot=224 "
    "CPULoad=3.10 AvailableFeatures=h100,ib ActiveFeatures=h100,ib Gres=gpu:h100:8(S:0-1) "
    "GresDrain=N/A GresUsed=gpu:h100:2(IDX:0,7) NodeAddr=10.1.0.1 NodeHostName=dgx01 "
    "Version=24.05.4 OS=Linux 5.15.0-1 #1 SMP Tue Oct 1 10:00:00 UTC 2024  RealMemory=2000000 "
    "AllocMem=256000 FreeMem=1500000 Sockets=2 Boards=1 State={state} ThreadsPerCore=2 TmpDisk=0 "
    "Weight=1 Owner=N/A MCS_label=N/A Partitions=h100,short  BootTime=2025-05-01T06:00:00 "
    "SlurmdStartTime=2025-05-01T06:01:00 LastBusyTime=Unknown ResumeAfterTime=None "
    "CfgTRES=cpu=224,mem=2000000M,billing=224,gres/gpu=8,gres/gpu:h100=8 "
    "AllocTRES=cpu=16,mem=250G,gres/gpu=2,gres/gpu:h100=2 CurrentWatts=0 AveWatts=0 {rest}\n"
)


def read(name: str) -> str:
    return (RECORDED / name).read_text()


def later(**fields: str) -> str:
    values = {**LATER, **fields}
    return MARK.join(values[name] for name in SQUEUE_FIELDS) + f"{MARK}.\n"


def node_of(state: str, rest: str = "") -> SlurmNode:
    listing = parse_nodes(NODE.format(state=state, rest=rest))
    assert listing.skipped == 0
    (node,) = listing.items
    return node


def test_recorded_jobs() -> None:
    listing = parse_squeue(read("squeue.txt"), MARK)
    assert listing.skipped == 0
    jobs = {job.id: job for job in listing.items}
    assert sorted(jobs) == [1, 2, 3, 4, 5, 6, 7]
    assert (jobs[1].name, jobs[1].comment) == ("first\nline, two", "a|b (c)")
    assert (jobs[1].state, jobs[1].reason) == ("FAILED", "NonZeroExitCode")
    assert (jobs[1].exit_code, jobs[2].exit_signal) == (3, 9)
    running = jobs[3]
    assert (running.nodes, running.comment, running.state) == (("n001", "n002"), "qd:1", "RUNNING")
    assert running.asked_gres == (Gres("gpu", "h100", 2),)
    assert (running.cpus, running.memory_bytes, running.reason) == (2, 2000 << 20, "")
    assert running.time_limit_s == 172_800
    assert (jobs[4].array_id, jobs[4].array_task) == (4, "1-5%1")
    assert (jobs[7].array_id, jobs[7].array_task) == (4, "0")
    assert (jobs[5].asked_gres, jobs[5].array_id) == ((Gres("gpu", "", 3),), 0)
    assert (jobs[4].started_s, jobs[4].time_limit_s, jobs[4].nodes) == (None, None, ())
    assert jobs[6].started_s is not None
    assert jobs[6].reason == "BeginTime"


def test_recorded_nodes_and_what_is_about_them() -> None:
    nodes = {node.name: node for node in parse_nodes(read("nodes.txt")).items}
    assert sorted(nodes) == ["n001", "n002", "n003", "n004"]
    assert nodes["n003"].may_run
    assert nodes["n004"].flags == {"DRAIN"}
    assert nodes["n004"].reason.startswith("bad disk, slot=3")
    assert nodes["n001"].gres_used[0].count >= 2
    (reservation,) = parse_reservations(read("reservations.txt")).items
    assert (reservation.name, reservation.nodes) == ("service", ("n003", "n004"))
    assert reservation.flags == {"MAINT", "SPEC_NODES"}
    partitions = {
        partition.name: partition for partition in parse_partitions(read("partitions.txt")).items
    }
    assert {name: part.time_limit_s for name, part in partitions.items()} == {
        "main": None, "short": 600, "spot": None,
    }  # fmt: skip
    config = parse_config(read("config.txt"))
    assert config["SelectTypeParameters"] == "CR_CORE_MEMORY"
    assert config["AccountingStorageType"] == "accounting_storage/none"
    assert config["Epilog"] == ""


def test_the_recorded_tree_says_where_nodes_stand() -> None:
    listing = parse_topology(read("topology.txt"))
    assert listing.skipped == 0
    assert locate_nodes(listing.items) == {
        "n001": Location("rack0", "unit0", "spine"),
        "n002": Location("rack0", "unit0", "spine"),
        "n003": Location("rack1", "unit0", "spine"),
        "n004": Location("rack1", "unit0", "spine"),
    }


def test_blocks_and_no_tree() -> None:
    blocks = (
        "BlockName=b1 BlockIndex=0 Nodes=n[01-04] BlockSize=4\n"
        "BlockName=b2 BlockIndex=1 Nodes=n[05-08] BlockSize=4\n"
        "AggregatedBlock=b[1-2] BlockIndex=0 Nodes=n[01-08] BlockSize=8\n"
    )
    listing = parse_topology(blocks)
    assert (len(listing.items), listing.skipped) == (2, 0)
    assert locate_nodes(listing.items)["n05"] == Location("", "b2", "")
    two_parents = "SwitchName=a Level=0 Nodes=n1\nSwitchName=b Level=0 Nodes=n1\n"
    assert locate_nodes(parse_topology(two_parents).items) == {}
    assert locate_nodes(parse_topology("").items) == {}
    assert parse_topology("what is this\n").skipped == 1


def test_jobs_of_later_versions() -> None:
    text = later() + later(JobID="813", State="CANCELLED", exit_code="0:15", Reason="(null)")
    first, second = parse_squeue(text, MARK).items
    assert first.started_s == 1746086405
    assert first.tres["gres/gpu:h100"] == 16
    assert first.asked_gres == (Gres("gpu", "h100", 8),)
    assert (first.restarts, first.nodes) == (2, ("dgx01", "dgx02"))
    assert (second.exit_signal, second.reason, second.has_ended) == (15, "", True)


def test_lines_that_nobody_understands_are_counted() -> None:
    text = later() + "slurm_load_jobs: something new\n" + later(JobID="x")
    text += later(JobID="0") + later(State="?") + later(JobID="814")
    listing = parse_squeue(text, MARK)
    # What is between two ends of a record belongs to the record after it.
    assert [job.id for job in listing.items] == [812, 814]
    assert listing.skipped == 3
    assert listing.example.startswith("slurm_load_jobs: something new")
    assert parse_squeue(later()[:-30], MARK).skipped == 1


@pytest.mark.parametrize(
    ("state", "base", "flags", "may_run"),
    [
        ("IDLE", "IDLE", set(), True),
        ("MIXED+PLANNED", "MIXED", {"PLANNED"}, True),
        ("ALLOCATED+RESERVED", "ALLOCATED", {"RESERVED"}, True),
        ("IDLE+CLOUD", "IDLE", {"CLOUD"}, True),
        ("IDLE+DRAIN", "IDLE", {"DRAIN"}, False),
        ("MIXED+DRAIN+NOT_RESPONDING", "MIXED", {"DRAIN", "NOT_RESPONDING"}, False),
        ("DOWN*", "DOWN", {"NOT_RESPONDING"}, False),
        ("DOWN*+DRAIN", "DOWN", {"DRAIN", "NOT_RESPONDING"}, False),
        ("IDLE*", "IDLE", {"NOT_RESPONDING"}, False),
        ("IDLE+DRAIN+INVALID_REG", "IDLE", {"DRAIN", "INVALID_REG"}, False),
        ("INVAL", "INVAL", set(), False),
        ("IDLE+MAINTENANCE+RESERVED", "IDLE", {"MAINTENANCE", "RESERVED"}, False),
        ("IDLE+MAINT", "IDLE", {"MAINTENANCE"}, False),
        ("IDLE+CLOUD+POWERED_DOWN", "IDLE", {"CLOUD", "POWERED_DOWN"}, True),
        ("IDLE~", "IDLE", {"POWERED_DOWN"}, True),
        ("MIXED#+CLOUD", "MIXED", {"POWERING_UP", "CLOUD"}, True),
        ("IDLE+CLOUD+POWERING_DOWN", "IDLE", {"CLOUD", "POWERING_DOWN"}, False),
        ("IDLE+REBOOT_ISSUED", "IDLE", {"REBOOT_ISSUED"}, False),
        ("UNKNOWN", "UNKNOWN", set(), False),
        ("FUTURE", "FUTURE", set(), False),
    ],
)
def test_states_of_nodes(state: str, base: str, flags: set[str], may_run: bool) -> None:
    node = node_of(state)
    assert (node.state, node.may_run) == (base, may_run)
    assert node.flags == flags


def test_a_node_of_a_later_version() -> None:
    node = node_of("MIXED")
    assert (node.cpus, node.cpus_used, node.version) == (224, 16, "24.05.4")
    assert (node.memory_bytes, node.memory_used_bytes) == (2_000_000 << 20, 256_000 << 20)
    assert node.gres == (Gres("gpu", "h100", 8),)
    assert node.gres_used == (Gres("gpu", "h100", 2, (0, 7)),)
    assert (node.features, node.partitions) == (("h100", "ib"), ("h100", "short"))
    assert node.booted_s == 1746079200


def test_a_reason_cannot_say_what_state_its_node_is_in() -> None:
    node = node_of("IDLE", "Reason=ask Bob State=DOWN Gres=gpu:9\nagain [ada@2025-05-01T06:00:00]")
    assert (node.state, node.gres[0].count) == ("IDLE", 8)
    assert node.reason.startswith("ask Bob")


def test_accounts_of_jobs() -> None:
    def line(*fields: str) -> str:
        return MARK.join(fields) + "\n"

    tres = "billing=2,cpu=2,gres/gpu=2,mem=2000M,node=2"
    text = line(
        *("3", "3", "two\nlines", "", "ada", "lab", "normal", "main", "CANCELLED by 1000", "None"),
        *("n[001-002]", "1796036300", "1796036300", "1796036303", "365-00:00:00", tres, tres),
        *("2", "0:15"),
    )
    text += "\n" + line(
        *("4", "4_[0-9%2]", "sbatch", "", "ada", "lab", "normal", "main", "PENDING", "JobHeldUser"),
        *("None assigned", "1796036300", "Unknown", "Unknown", "Partition_Limit", tres, "", "1"),
        "0:0",
    )
    first, second = parse_sacct(text, MARK).items
    assert (first.state, first.exit_signal, first.name) == ("CANCELLED", 15, "two\nlines")
    assert (first.nodes, first.memory_bytes) == (("n001", "n002"), 2000 << 20)
    assert (second.array_id, second.array_task) == (4, "0-9%2")
    assert (second.started_s, second.nodes, second.tres["cpu"]) == (None, (), 2)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("slurm-wlm 22.05.8", (22, 5, 8)),
        ("slurm 23.11.4\n", (23, 11, 4)),
        ("slurm 25.05", (25, 5, 0)),
    ],
)
def test_versions(text: str, numbers: tuple[int, int, int]) -> None:
    found = parse_version(text)
    assert found is not None
    assert (found.major, found.minor, found.patch) == numbers
    assert parse_version("bash: sbatch: not found") is None
