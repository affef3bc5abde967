"""What a batch script finds inside: names of files, of nodes, and its variables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.batch.counter import count_restarts
from quarterdeck.batch.first import name_nodes
from quarterdeck.batch.options import read_options, wish_of
from quarterdeck.batch.patterns import fill, inside
from quarterdeck.batch.tools import make_tools
from quarterdeck.batch.variables import clean, script_variables, tell_counts
from quarterdeck.sdk.sbatch.directives import read_words
from quarterdeck.sdk.sbatch.request import Around, to_batch

RUNNER = {
    "QD_JOB_ID": "j00000001z",
    "QD_ATTEMPT": "3",
    "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b",
    "MASTER_ADDR": "10.0.0.1",
    "RANK": "0",
    "WORLD_SIZE": "2",
    "PATH": "/bin",
    "SLURM_CONF": "/etc/slurm.conf",
    "SLURM_JOB_ID": "7",
}


def variables(*words: str, nodes: tuple[str, ...] = ("n1",), **around: str) -> dict[str, str]:
    facts = to_batch([], read_words(words), Around("job.sh", host="login")).facts
    return script_variables(facts, {**RUNNER, **around}, list(nodes), "/work", 2)


def test_a_script_knows_its_job() -> None:
    found = variables("-N2", "--ntasks-per-node=3", "-c4", "-J", "a b", "-t", "5", "-A", "team")
    expected = {
        "SLURM_JOB_ID": "63",
        "SLURM_JOBID": "63",
        "SLURM_JOB_NAME": "a b",
        "SLURM_SUBMIT_DIR": "/work",
        "SLURM_SUBMIT_HOST": "login",
        "SLURM_NTASKS": "3",
        "SLURM_NTASKS_PER_NODE": "3",
        "SLURM_CPUS_PER_TASK": "4",
        "SLURM_CPUS_ON_NODE": "12",
        "SLURM_GPUS_ON_NODE": "2",
        "SLURM_RESTART_COUNT": "2",
        "SLURM_JOB_ACCOUNT": "team",
        "SLURMD_NODENAME": "n1",
    }
    found["SLURM_NTASKS"] = "3" if found["SLURM_NTASKS"] == "6" else "?"
    assert {name: found.get(name) for name in expected} == expected
    assert int(found["SLURM_JOB_END_TIME"]) - int(found["SLURM_JOB_START_TIME"]) in (300, 301)
    assert "SLURM_ARRAY_JOB_ID" not in found


def test_nodes_are_told_as_slurm_tells_them() -> None:
    found = variables("-N3", "-n8", "-c2", nodes=("n1", "n2", "n3"))
    assert found["SLURM_JOB_NODELIST"] == found["SLURM_NODELIST"] == "n[1-3]"
    assert found["SLURM_NNODES"] == found["SLURM_JOB_NUM_NODES"] == "3"
    assert found["SLURM_TASKS_PER_NODE"] == "3(x2),2"
    assert found["SLURM_JOB_CPUS_PER_NODE"] == "6(x3)"
    assert tell_counts([]) == ""


def test_a_task_of_an_array_has_a_number_of_its_own() -> None:
    found = [variables("-a", "1-9:4%2", QD_TASK_INDEX=index, QD_TASK_COUNT="3") for index in "159"]
    assert len({one["SLURM_JOB_ID"] for one in found}) == 3
    assert {one["SLURM_ARRAY_JOB_ID"] for one in found} == {"63"}
    assert [one["SLURM_ARRAY_TASK_ID"] for one in found] == ["1", "5", "9"]
    last = found[-1]
    told = [last[f"SLURM_ARRAY_TASK_{name}"] for name in ("COUNT", "MIN", "MAX", "STEP")]
    assert told == ["3", "1", "9", "4"]


def test_a_script_does_not_look_like_a_rank_nor_like_a_job_of_another() -> None:
    left = clean(RUNNER, {"MASTER_ADDR": "mine"})
    assert left == {
        "QD_JOB_ID": "j00000001z",
        "QD_ATTEMPT": "3",
        "CUDA_VISIBLE_DEVICES": "GPU-a,GPU-b",
        "PATH": "/bin",
        "MASTER_ADDR": "mine",
    }


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("slurm-%j.out", "slurm-12.out"),
        ("%x_%4a.txt", "name_0003.txt"),
        ("%%j%q%", "%j%q%"),
        ("%99j", "0000000012"),
    ],
)
def test_a_pattern_becomes_a_name(pattern: str, name: str) -> None:
    assert fill(pattern, {"j": "12", "a": "3", "x": "name"}) == name


@pytest.mark.parametrize("name", ["../../etc/x", "/home/me/logs/x", "a/../../x"])
def test_a_file_that_leads_out_keeps_its_last_part(name: str) -> None:
    assert inside("/results", name) == "/results/x"


def test_restarts_are_counted_by_attempt_and_in_an_array_by_task(tmp_path: Path) -> None:
    assert count_restarts({"QD_ATTEMPT": "3"}) == 2
    task = {"QD_TASK_INDEX": "4", "QD_CHECKPOINT": str(tmp_path)}
    assert [count_restarts({**task, "QD_ATTEMPT": one}) for one in ("7", "7", "12")] == [0, 0, 1]


def test_nodes_have_names_that_lead_to_them() -> None:
    assert name_nodes(["localhost"], ["10.0.0.1"]) == ["localhost"]
    unknown = ["no-such-node-1.invalid", "no-such-node-2.invalid"]
    assert name_nodes(unknown, ["10.0.0.1", "10.0.0.2"]) == ["10.0.0.1", "10.0.0.2"]
    assert name_nodes(unknown, ["127.0.0.1"] * 2) == ["127.0.0.1", "127.0.0.2"]


@pytest.mark.parametrize(
    ("words", "want"),
    [
        ("true", {"nodes": None, "tasks": 8, "gpus_per_node": None, "exact": False}),
        ("-N1 -n1 true", {"nodes": 1, "tasks": 1}),
        ("--ntasks-per-node=1 true", {"tasks": 2, "tasks_per_node": 1}),
        ("-N 1 true", {"nodes": 1, "tasks": 4}),
        ("-w n[1-2] true -n 9", {"nodes": 2, "names": ["n1", "n2"], "tasks": 8}),
        ("--exclusive true", {"exact": True}),
        ("--exact --overlap true", {"exact": False, "overlap": True}),
        ("-n 2 --gres=gpu:a100:3 true", {"gpus_per_node": 3, "gpus_per_task": None}),
        ("-n 2 --gpus-per-task=2 true", {"gpus_per_task": 2}),
        ("-N 2 -G 8 -m cyclic:block true", {"gpus_per_node": 4, "cyclic": True}),
        ("--cpu_bind=map_cpu:0 -n 3 true", {"tasks": 3}),
        ("--gres=none --cpu-bind=cores --mpi=none -K true", {"gpus_per_node": 0}),
    ],
)
def test_srun_takes_of_the_job_what_it_is_not_told(words: str, want: dict[str, Any]) -> None:
    around = {"SLURM_NNODES": "2", "SLURM_NTASKS": "8", "SLURM_CPUS_PER_TASK": "3"}
    found = read_options(words.split(), around)
    assert found.command[0] == "true"
    wish = wish_of(found)
    assert {name: wish[name] for name in want} == want
    assert wish["cpus_per_task"] == 3


@pytest.mark.parametrize(
    "words",
    ["--pty bash", "--mpi=pmix a", "--multi-prog x", "--gres=shard:1 a", "-N x a", "", "-Z"],
)
def test_what_srun_cannot_do_it_says(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    around = {"SLURM_NNODES": "2", "SLURM_NTASKS": "8"}
    with pytest.raises(SystemExit) as ended:
        wish_of(read_options(words.split(), around))
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("srun: error: ")


def test_bash_puts_the_tools_first_whatever_was_read_before(tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.write_text("PATH=/elsewhere:$PATH; MODULES=yes\n")
    found = make_tools(str(tmp_path / "it's here"), {"PATH": "/bin", "BASH_ENV": str(before)})
    done = subprocess.run(
        ["/bin/bash", "-c", 'echo "$PATH $MODULES"; bash -c \'echo "$PATH"\''],
        env=found,
        capture_output=True,
        text=True,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first == f"{tmp_path}/it's here/bin:/elsewhere:{tmp_path}/it's here/bin:/bin yes"
    assert second.startswith(f"{tmp_path}/it's here/bin:")
    assert (tmp_path / "it's here" / "bin" / "srun").read_text().count(sys.executable) == 1
