"""What is found of a cluster before it is used, by what Slurm says and by a trial."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.wiring.connected import check
from quarterdeck.wiring.connected.entry import SiteEntry, make_entry
from quarterdeck.wiring.doctor.findings import Finding, Level

PROGRAMS = {
    "sbatch": '[ "$1" = --version ] && echo slurm 24.05.4 || echo 5',
    "squeue": "true",
    "sacct": "echo Slurm accounting storage is disabled >&2; exit 1",
    "scontrol": """\
case "$2" in
config) echo "ClusterName = lab"; echo "SlurmdTimeout = ${SILENT:-300} sec";;
partition) echo "PartitionName=gpu Default=YES MaxTime=$LIMIT Nodes=n1 State=$STATE";;
node) echo "NodeName=n1 NodeAddr=n1 NodeHostName=n1 CPUTot=8 RealMemory=1000 \
Gres=$GRES Partitions=gpu State=$NODE Reason=new fan [root@now]";;
esac""",
}
SAID = {"partition": "gpu", "LIMIT": "1-00:00:00", "STATE": "UP", "GRES": "gpu:2", "NODE": "IDLE"}


def look(folder: Path, **said: str) -> dict[str, Finding]:
    """What is found, by what it is about, of a Slurm that says this."""
    programs = folder / "programs"
    programs.mkdir()
    words = "".join(f"{key}='{value}'\n" for key, value in {**SAID, **said}.items())
    for name, does in PROGRAMS.items():
        (programs / name).write_text(f"#!/bin/sh\n{words}{does}\n")
        (programs / name).chmod(0o755)
    entry = entry_of(folder, programs=str(programs), partition=said.get("partition"))
    return {one.about: one for one in check.check_site(entry, with_trial=False)}


def entry_of(folder: Path, **given: str | None) -> SiteEntry:
    return make_entry("hpc", {"engine": "slurm", "folder": str(folder / "shared"), **given})


def test_a_cluster_that_is_well(tmp_path: Path) -> None:
    found = look(tmp_path)
    assert {one.level for one in found.values()} == {Level.OK, Level.NOTE}
    assert "slurm 24.05.4" in found["programs"].told
    assert "cluster lab answers" in found["controller"].told
    assert "noticed by Slurm after 300 s" in found["lost nodes"].told
    assert "1 nodes, jobs of at most 1d00h" in found["partition gpu"].told
    assert "2; Slurm gives any of a node's" in found["gpus"].told
    assert found["accounting"].level is Level.NOTE
    assert found["topology"].level is Level.NOTE
    assert (tmp_path / "shared" / "hpc").is_dir()


@pytest.mark.parametrize(
    ("said", "about", "level", "told"),
    [
        ({"STATE": "DRAIN"}, "partition gpu", Level.PROBLEM, "it is DRAIN, so no job starts"),
        ({"LIMIT": "00:03:00"}, "partition gpu", Level.PROBLEM, "leaves none for work"),
        ({"LIMIT": "00:03:01"}, "partition gpu", Level.OK, "jobs of at most"),
        ({"LIMIT": "UNLIMITED"}, "partition gpu", Level.OK, "no limit of time"),
        ({"NODE": "DOWN"}, "nodes", Level.PROBLEM, "none of 1 runs jobs (new fan"),
        ({"GRES": "(null)"}, "gpus", Level.NOTE, "Slurm knows of none"),
        ({"GRES": "gpu:i0:1,gpu:i1:1"}, "gpus", Level.OK, "2, each can be chosen"),
        ({"partition": "cpu"}, "slurm", Level.PROBLEM, "partition is 'cpu'"),
    ],
)
def test_what_slurm_says(
    tmp_path: Path, said: dict[str, str], about: str, level: Level, told: str
) -> None:
    finding = look(tmp_path, **said)[about]
    assert (finding.level, told in finding.told) == (level, True), finding
    assert finding.hint or level is Level.OK


def test_slurm_that_notices_soon_is_no_matter(tmp_path: Path) -> None:
    assert "lost nodes" not in look(tmp_path, SILENT="60")


def test_a_folder_that_cannot_be_written_and_programs_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "shared").touch()
    found = check.check_site(entry_of(tmp_path, programs="/nowhere"))
    assert [(one.about, one.level) for one in found] == [
        ("folder", Level.PROBLEM), ("slurm", Level.PROBLEM),
    ]  # fmt: skip
    assert "on all nodes" in found[0].hint
    assert "there is no sbatch on /nowhere" in found[1].told


def trial(**said: Any) -> dict[str, Finding]:
    """By what a trial has written, at the second 1000 of the folder."""
    limits = {"memory": {"works": True, "text": ""}}
    told = {"python": "3.11", "node": "n1", "at": 1000.0, "limits": limits, **said}
    return {one.about: one for one in check._read_trial(told, 1000.0)}


def test_what_a_trial_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "time", lambda: 1004.0)
    found = trial()
    assert {one.level for one in found.values()} == {Level.OK}
    assert trial(python="3.9")["python"].level is Level.OK
    old = trial(python="3.8")["python"]
    assert (old.level, old.hint) == (Level.PROBLEM, "name a newer one with --python")
    skewed = trial(at=1600.0)["clock"]
    assert skewed.level is Level.PROBLEM
    assert "n1" in skewed.told
    assert "10m00s" in skewed.told
    assert "NTP" in skewed.hint
    bare = trial(limits={"memory": {"works": False, "text": "no cgroup"}})["limits"]
    assert (bare.level, "no cgroup" in bare.told) == (Level.NOTE, True)


def test_our_own_clock_is_compared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "time", lambda: 1400.0)
    assert trial()["clock"].level is Level.PROBLEM


@pytest.mark.parametrize(
    ("said", "told", "hint"),
    [
        (None, "left nothing in the folder", "the same folder on the nodes"),
        ("a\nsh: no python9\n", "FAILED: sh: no python9", "is python3 on the nodes?"),
        ("", "it said nothing", "is python3 on the nodes?"),
    ],
)
def test_a_trial_that_fails(tmp_path: Path, said: str | None, told: str, hint: str) -> None:
    output = tmp_path / "check.out"
    if said is not None:
        output.write_text(said)
    finding = check._explain_trial(entry_of(tmp_path), "FAILED", output)
    assert finding.level is Level.PROBLEM
    assert told in finding.told
    assert hint in finding.hint
    assert json.dumps(asdict(finding))


def test_a_look_that_changes_nothing_leaves_no_folder(tmp_path: Path) -> None:
    found = check.check_site(entry_of(tmp_path, programs="/none"), changes_nothing=True)
    assert found[0].about == "folder"
    assert found[0].level is Level.OK
    assert not (tmp_path / "shared").exists()
    (tmp_path / "file").touch()
    entry = make_entry("hpc", {"engine": "slurm", "folder": str(tmp_path / "file" / "shared")})
    assert check.check_site(entry, changes_nothing=True)[0].level is Level.PROBLEM
