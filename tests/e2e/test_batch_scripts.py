"""Scripts as Slurm users have them, submitted as they are."""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

import pytest

from tests.e2e.deck import Deck, until

PRETEND = ("--pretend", "dgx-a100:2")
LAUNCHER = """\
#!/usr/bin/env python3
import os, socket, sys, time
asked = dict(zip(sys.argv[1:-1:2], sys.argv[2:-1:2]))
host, _, port = asked["--rdzv-endpoint"].rpartition(":")
rank, size = int(os.environ["SLURM_NODEID"]), int(asked["--nnodes"])
assert not {"RANK", "WORLD_SIZE", "LOCAL_RANK"} & set(os.environ), "it looks like a rank"
if rank == 0:
    server, total = socket.create_server(("", int(port))), 1
    for _ in range(size - 1):
        connection, _ = server.accept()
        total += int(connection.recv(10))
    print(size, "ranks, sum", total)
else:
    for _ in range(400):
        try:
            socket.create_connection((host, int(port))).send(b"%d" % (rank + 1))
            break
        except OSError:
            time.sleep(0.05)
"""


@pytest.fixture
def pod(deck: Deck, tmp_path: Path) -> Deck:
    """Two pretended nodes, on a machine where a login shell finds another `srun` first."""
    others = tmp_path / "others"
    others.mkdir()
    for name in ("srun", "scontrol"):
        (others / name).write_text("#!/bin/sh\necho the real one >&2; exit 99\n")
        (others / name).chmod(0o755)
    home = tmp_path / "person"
    home.mkdir()
    (home / ".bash_profile").write_text(f"PATH={others}:$PATH\n")
    deck.environment["HOME"] = str(home)
    deck.up(*PRETEND)
    return deck


def folder_of(tmp_path: Path, **files: str) -> Path:
    folder = tmp_path / "project"
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def submit(deck: Deck, folder: Path, *words: str) -> str:
    done = deck.qd("submit", "--parsable", *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def run(deck: Deck, folder: Path, *words: str) -> str:
    """Submit, wait for its success; the log of its first node."""
    job = submit(deck, folder, *words)
    ended = deck.qd("wait", job, within_s=90)
    log = deck.qd("logs", job).stdout
    assert ended.returncode == 0, log + deck.qd("show", job).stdout
    return log


def test_a_script_of_the_wild_runs_as_it_is(pod: Deck, root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(root / "examples" / "sbatch", folder)
    assert len((folder / "folds.sh").read_text().splitlines()) >= 60
    (folder / "prepare.sh").write_text("#!/bin/sh\n#SBATCH --time=1\nsleep 0.2; echo prepared\n")
    first = submit(pod, folder, "prepare.sh")
    done = pod.qd(
        "submit", "-d", f"afterok:{first}", "-o", "json", "folds.sh", "--lr", "0.5", cwd=folder
    )
    assert done.returncode == 0, done.stderr
    assert "folds.sh:17: --mail-type=END,FAIL: no mail is sent" in done.stderr
    assert "folds.sh:6: --partition=gpu: " in done.stderr
    (job,) = re.findall(r'"id": "(j\w{9})"', done.stdout)
    assert pod.qd("wait", job, within_s=90).returncode == 0, pod.qd("logs", job).stdout

    shown = pod.show(job)
    assert (shown["name"], shown["nodes"], shown["cpus_per_node"]) == ("folds", 1, 4)
    assert (shown["gpus_per_node"], shown["memory_bytes_per_node"]) == (2, 2000 << 20)
    assert (shown["needs"], shown["array"]["text"]) == ([first], "0-4:2%2")
    assert shown["time_limit_s"] == 540  # the warning comes a minute before the ten are over
    assert shown["started_at"] >= pod.show(first)["ended_at"]
    assert shown["tags"] == {"slurm.partition": "gpu"}
    log = pod.qd("logs", job, "--task", "2").stdout
    assert "fold 2 (0-4, 3 of them)" in log
    assert "name folds, 1 node, 2 tasks, 4 CPUs, 2 GPUs, restarts 0" in log
    for epoch in (1, 2):
        for rank in (0, 1):
            assert f"{rank}: epoch {epoch}: rank {rank} of 2, 2 GPUs, lr 0.5" in log
    assert "\nfold 2 epoch 2\n" in log
    (kept,) = [
        file["path"]
        for file in pod.qd_json("results", job)["files"]
        if file["task"] == 2 and file["path"].endswith(".out")
    ]
    assert re.fullmatch(r"logs/folds-[0-9]{1,14}_2\.out", kept)
    out = tmp_path / "out"
    assert pod.qd("results", job, "-o", str(out)).returncode == 0
    (file,) = out.rglob("folds-*_2.out")
    assert file.read_text() == log  # nothing of it went to standard error


def test_what_it_leaves_in_its_folder_is_a_result(pod: Deck, tmp_path: Path) -> None:
    folder = folder_of(
        tmp_path,
        old_txt="as it was\n",
        changed_txt="before\n",
        files_sh="#!/bin/sh\n#SBATCH -N 2\nmkdir -p a/b; echo > a/b/new; echo >> changed.txt\n"
        'srun sh -c "echo task > task-$SLURM_PROCID-\\$SLURM_PROCID"; mkdir __pycache__; '
        "touch __pycache__/x; ln -s old.txt link; exit 1\n",
    )
    job = submit(pod, folder, "files.sh")
    pod.qd("wait", job, within_s=60)
    assert pod.show(job)["exit_code"] == 1
    kept = sorted(file["path"] for file in pod.qd_json("results", job)["files"])
    assert kept == ["a/b/new", "changed.txt", "task-0-0", "task-0-1"]


def test_two_nodes_meet_through_scontrol_and_srun(pod: Deck, root: Path, tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    shutil.copy(root / "examples" / "sbatch" / "two-nodes.sh", folder)
    (folder / "launch").write_text(LAUNCHER)
    (folder / "launch").chmod(0o755)
    log = run(pod, folder, "--export", "LAUNCH=./launch", "two-nodes.sh")
    assert log.splitlines() == ["2 nodes, meeting at 127.0.0.1", "2 ranks, sum 3"]


@pytest.mark.needs_torch
def test_torchrun_on_two_nodes(pod: Deck, root: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    import sys

    folder = tmp_path / "project"
    shutil.copytree(root / "examples" / "sbatch", folder)
    launch = f"LAUNCH={sys.executable} -m torch.distributed.run"
    log = run(pod, folder, "--export", launch, "two-nodes.sh")
    assert "4 ranks, sum 10" in log


TASKS = """\
#!/bin/bash
#SBATCH -N 2 -n 4 -c 2 --gres=gpu:8
echo made here > shared.txt
srun -l bash -c 'echo $SLURM_PROCID $SLURM_NODEID $SLURM_LOCALID $SLURM_STEP_ID $(cat shared.txt)'
srun -l cat <<< "from standard input" | sort
srun -N 1 -n 1 -w $(scontrol show hostnames | tail -n 1) bash -c 'echo last $QD_NODE_RANK'
srun -K1 bash -c '[ $SLURM_PROCID != 3 ] || exit 7; sleep 100' ; echo code $?
srun -n 1 /no/such/thing; echo code $?
srun -N 9 true; echo code $?
for i in 1 2 3; do
  srun -N 1 -n 2 --exact --gpus-per-task=4 bash -c \\
    'echo step $CUDA_VISIBLE_DEVICES; echo $QD_NODE >> nodes; sleep 0.3' &
done
wait
sort nodes | uniq -c | sort -n | sed 's/^ */used /'
"""


def test_steps_have_their_tasks_their_gpus_and_their_codes(pod: Deck, tmp_path: Path) -> None:
    log = run(pod, folder_of(tmp_path, tasks_sh=TASKS), "tasks.sh")
    for rank, node, local in ((0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)):
        assert f"{rank}: {rank} {node} {local} 0 made here\n" in log
        assert f"{rank}: from standard input\n" in log
    assert "last 1\n" in log
    assert "task 3: Exited with exit code 7" in log
    assert re.findall("^code ([0-9]+)$", log, re.MULTILINE) == ["137", "127", "1"]
    assert "it asks for 9 nodes; 2 can be had" in log
    assert "waiting until other steps have ended" in log
    steps = re.findall("^step (.*)$", log, re.MULTILINE)
    assert len(steps) == 6
    assert {len(devices.split(",")) for devices in steps} == {4}
    assert len(set(steps)) == 4  # two nodes of two halves: nobody had a GPU of another
    assert re.findall("^used (.*) dgx", log, re.MULTILINE) == ["2", "4"]


WARNED = """\
#!/bin/bash
#SBATCH --time=0:08 --signal={who}USR1@6
trap 'echo the script is warned; kill $child; exit 0' USR1
cat > task.py <<'END'
import signal, sys, time
def end(number, frame):
    print("the task is warned", flush=True)
    sys.exit(0)
signal.signal(signal.SIGUSR1, end)
print("ready", flush=True)
time.sleep(100)
END
srun --quiet python3 task.py & child=$!
wait $child
wait $child
echo the script goes on
"""


@pytest.mark.parametrize(
    ("who", "told"),
    [
        pytest.param("B:", ["ready", "the script is warned"], id="the script"),
        pytest.param("", ["ready", "the task is warned", "the script goes on"], id="its steps"),
    ],
)
def test_the_warning_before_the_limit_reaches_whom_it_is_for(
    pod: Deck, tmp_path: Path, who: str, told: list[str]
) -> None:
    folder = folder_of(tmp_path, warned_sh=WARNED.format(who=who))
    job = submit(pod, folder, "warned.sh")
    pod.qd("wait", job, within_s=60)
    assert pod.qd("logs", job).stdout.splitlines() == told
    shown = pod.show(job)
    assert (shown["reason"], shown["state"]) == ("timed_out", "failed")
    started, ended = shown["started_at"], shown["ended_at"]
    assert seconds(ended) - seconds(started) < 7  # it was let end by itself


def seconds(text: str) -> float:
    hours, minutes, rest = text[11:-1].split(":")
    return (int(hours) * 60 + int(minutes)) * 60 + float(rest)


def test_the_job_ends_as_the_script_ends_and_leaves_nothing_behind(
    pod: Deck, tmp_path: Path
) -> None:
    marked = f"{tmp_path.name}-marked"
    sleep = f"srun bash -c 'exec -a {marked} sleep 300'"
    folder = folder_of(
        tmp_path,
        code_sh="#!/bin/sh\nexit 3\n",
        signal_sh="#!/bin/sh\nkill -9 $$\n",
        behind_sh=f"#!/bin/bash\n#SBATCH -N2\n{sleep} &\nsleep 1\n",
        long_sh=f"#!/bin/bash\n#SBATCH -N2\necho up\n{sleep}\n",
    )
    code, ended, behind = (submit(pod, folder, f"{one}.sh") for one in ("code", "signal", "behind"))
    for job in (code, ended, behind):
        pod.qd("wait", job, within_s=60)
    assert pod.show(code)["exit_code"] == 3
    assert pod.show(ended)["exit_code"] == 137
    assert pod.show(behind)["state"] == "succeeded"
    assert running(marked) == []

    long = submit(pod, folder, "long.sh")
    until(lambda: len(running(marked)) == 2)
    began = time.monotonic()
    assert pod.qd("cancel", long).returncode == 0
    pod.qd("wait", long, within_s=60)
    assert time.monotonic() - began < 20
    assert pod.show(long)["state"] == "cancelled"
    assert running(marked) == []


def test_tasks_do_not_outlive_their_srun(pod: Deck, tmp_path: Path) -> None:
    marked = f"{tmp_path.name}-task"
    folder = folder_of(
        tmp_path,
        lost_sh="#!/bin/bash\n#SBATCH -N2\n"
        f"srun bash -c 'exec -a {marked} sleep 300' &\n"
        "until [ -e killed ]; do sleep 0.05; done; kill -9 $!\n"
        "until [ -e gone ]; do sleep 0.05; done\n",
    )
    job = submit(pod, folder, "lost.sh")
    until(lambda: len(running(marked)) == 2)
    work = pod.site / "attempts" / job / "1" / "0" / "work"
    (work / "killed").touch()
    until(lambda: not running(marked))
    (work / "gone").touch()
    assert pod.qd("wait", job, within_s=60).returncode == 0


def running(name: str) -> list[str]:
    """Processes whose command is this name."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if place.read_bytes().startswith(name.encode()):
                found.append(place.parent.name)
        except OSError:
            continue
    return found


def test_what_cannot_be_had_is_refused_with_its_line_unless_it_is_told_to_be_left_out(
    pod: Deck, tmp_path: Path
) -> None:
    folder = folder_of(
        tmp_path,
        pinned_sh="#!/bin/sh\n\n#SBATCH -t 5 --nodelist=gpu[01-02]\necho here\n",
        large_sh="#!/bin/sh\n#SBATCH -t 5\n#SBATCH --gres=gpu:9\n",
    )
    refused = pod.qd("submit", "pinned.sh", cwd=folder)
    assert refused.returncode == 3
    assert "pinned.sh:3:1: --nodelist=gpu[01-02]: that cannot be had here" in refused.stderr
    assert "--ignore nodelist" in refused.stderr
    assert run(pod, folder, "--ignore", "nodelist", "pinned.sh") == "here\n"
    never = pod.qd("submit", "large.sh", cwd=folder)
    assert (never.returncode, "large.sh:3:1: " in never.stderr) == (3, True), never.stderr
    assert pod.qd("submit", "--gpus-per-node", "8", "--test-only", "large.sh", cwd=folder).stdout


def test_a_job_in_a_folder_below_reads_its_input_and_knows_where_it_came_from(
    pod: Deck, tmp_path: Path
) -> None:
    folder = folder_of(tmp_path, data_txt="some words\n")
    (folder / "below").mkdir()
    (folder / "below" / "in.txt").write_text("input\n")
    script = tmp_path / "elsewhere.sh"
    script.write_text(
        "#!/bin/sh\n#SBATCH --chdir below -i in.txt --export=A=1,MASTER_PORT=29500\n"
        'cat; cat ../data.txt; cat "$SLURM_SUBMIT_DIR/data.txt"; echo "$A $MASTER_PORT $*"\n'
    )
    log = run(pod, folder, str(script), "an argument", "--and-option")
    assert log == "input\nsome words\nsome words\n1 29500 an argument --and-option\n"
