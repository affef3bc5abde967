"""The options of srun(1) as far as they mean something within a job."""

from __future__ import annotations

import argparse
import os
import re
import sys
from typing import Any, Mapping, NoReturn, Sequence

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hostlist import expand_hostlist

NOT_HERE = {
    "--pty": "use `qd logs` to watch; a terminal cannot be had inside a batch job",
    "--multi-prog": "start a script that looks at SLURM_PROCID",
    "--bcast": "the work folder is there already",
    "--het-group": "jobs have one component here",
    "--jobid": "steps run within their own job",
    "--container-image": "write `#SBATCH --container-image=…` into the script: all its steps run "
    "in that image",
    "--container-mounts": "in an image there is nothing of the node but the job's own folders",
}
IGNORED = (
    *("--cpu-bind", "--mem-bind", "--gpu-bind", "--hint", "--mem", "--mem-per-cpu", "--time"),
    *("--job-name", "--partition", "--account", "--qos", "--mem-per-gpu", "--threads-per-core"),
    *("--ntasks-per-socket", "--ntasks-per-core", "--cpu-freq", "--gpu-freq", "--wait"),
    *("--network", "--profile", "--constraint", "--acctg-freq", "--open-mode", "--propagate"),
)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        fail(message)


def fail(message: str) -> NoReturn:
    """Say what is wrong and exit as srun does."""
    print("srun: error: %s" % message, file=sys.stderr)
    sys.exit(1)


def read_options(words: Sequence[str], around: Mapping[str, str]) -> argparse.Namespace:
    """The options and the command. What cannot be had is said, and ends srun."""
    _refuse(words)
    parser = _make_parser()
    found = parser.parse_args(_with_values(list(words)))
    if found.command[:1] == ["--"]:
        del found.command[0]
    if not found.command:
        fail("no command")
    if found.mpi not in ("none", "openmpi"):
        fail("--mpi=%s: there is no PMI server here; start the ranks with mpirun" % found.mpi)
    found.around = around
    return found


def _refuse(words: Sequence[str]) -> None:
    for word in words:
        name = word.partition("=")[0]
        if name in NOT_HERE:
            fail("%s: %s" % (name, NOT_HERE[name]))
        if not word.startswith("-"):
            break


def _make_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="srun", add_help=False, usage="srun [OPTIONS] COMMAND [ARGUMENTS]")
    add = parser.add_argument
    add("-N", "--nodes")
    add("-n", "--ntasks", type=int)
    add("--ntasks-per-node", "--tasks-per-node", type=int)
    add("-c", "--cpus-per-task", type=int)
    add("-w", "--nodelist", default="")
    add("-x", "--exclude", default="")
    add("-r", "--relative", type=int, default=0)
    add("-m", "--distribution", default="block")
    add("-D", "--chdir", "--workdir")
    add("-G", "--gpus")
    add("--gpus-per-node")
    add("--gpus-per-task")
    add("--gres")
    add("--export", default="ALL")
    add("-i", "--input", default="all")
    add("-o", "--output")
    add("-e", "--error")
    add("-l", "--label", action="store_true")
    add("-u", "--unbuffered", action="store_true")
    add("-K", "--kill-on-bad-exit", nargs="?", const="1", default="0")
    add("-s", "--overlap", "--oversubscribe", action="store_true")
    add("-O", "--overcommit", action="store_true")
    add("--exact", action="store_true")
    add("--exclusive", nargs="?", const="yes")
    add("--mpi", default="none")
    add("-v", "--verbose", action="count")
    add("-Q", "--quiet", action="count")
    for name in ("-J", "-p", "-A", "-t", "-W", "-C", *IGNORED):
        add(name, dest="ignored")
    add("command", nargs=argparse.REMAINDER)
    return parser


def _with_values(words: list[str]) -> list[str]:
    """`--exclusive` and `-K` take a value only behind `=`; argparse would take the command."""
    for number, word in enumerate(words):
        if not word.startswith("-") or word == "--":
            break
        name, equals, value = word.partition("=")
        if "_" in name:
            words[number] = name.replace("_", "-") + equals + value  # --cpu_bind, as once it was
        if word == "--exclusive":
            words[number] = "--exclusive=yes"
        elif word in ("-K", "--kill-on-bad-exit"):
            words[number] = "--kill-on-bad-exit=1"
    return words


def wish_of(found: argparse.Namespace) -> dict[str, Any]:
    """What the step needs, as the ledger knows it. What srun is not told it takes of the job."""
    around = found.around
    names = _names(found.nodelist, "--nodelist")
    job_nodes, job_tasks = int(around["SLURM_NNODES"]), int(around["SLURM_NTASKS"])
    nodes = _most(found.nodes) if found.nodes else None
    if nodes is None and names and found.ntasks is None:
        nodes = len(set(names))
    per_node = found.ntasks_per_node
    if found.ntasks is not None:
        tasks = found.ntasks
    elif per_node:
        tasks = (nodes or job_nodes) * per_node
    elif nodes is not None and nodes != job_nodes:
        tasks = max(nodes, job_tasks * nodes // job_nodes)
    else:
        tasks = job_tasks
    if tasks < 1 or (per_node or 1) < 1 or (nodes or 1) < 1:
        fail("a step has a task at least")
    if found.distribution.partition(":")[0] not in ("block", "cyclic", "*"):
        fail("--distribution=%s: block or cyclic" % found.distribution)
    of_task, of_node = _gpus(found, nodes or min(job_nodes, tasks))
    is_shared = found.overlap
    return {
        "nodes": nodes,
        "tasks": tasks,
        "tasks_per_node": per_node,
        "cpus_per_task": found.cpus_per_task or int(around.get("SLURM_CPUS_PER_TASK", "1")),
        "gpus_per_task": of_task,
        "gpus_per_node": of_node,
        "exact": (found.exact or bool(found.exclusive)) and not is_shared,
        "overlap": is_shared,
        "names": names,
        "exclude": _names(found.exclude, "--exclude"),
        "relative": found.relative,
        "cyclic": found.distribution.startswith("cyclic"),
    }


def _names(text: str, option: str) -> list[str]:
    if not text:
        return []
    try:
        return list(expand_hostlist(text))
    except Invalid as error:
        fail("%s: %s" % (option, error.message))


def _most(text: str) -> int:
    match = re.fullmatch(r"([0-9]{1,6})(?:-([0-9]{1,6}))?", text)
    if match is None:
        fail("--nodes=%s: neither a number nor a range" % text)
    return int(match[2] or match[1])


def _gpus(found: argparse.Namespace, nodes: int) -> tuple[int | None, int | None]:
    """GPUs of each task, or of the step on each node; None for what it shares with the others."""
    around = found.around
    asked = (found.gpus_per_task, found.gpus_per_node, found.gres, found.gpus)
    if not any(asked):
        text = around.get("SLURM_GPUS_PER_TASK")
        return (_count(text), None) if text else (None, None)
    if found.gpus_per_task:
        return _count(found.gpus_per_task), None
    if found.gres and found.gres.lower() == "none":
        return None, 0
    if found.gres and not found.gres.startswith("gpu"):
        fail("--gres=%s: only GPUs are counted" % found.gres)
    if found.gpus_per_node or found.gres:
        return None, _count(found.gpus_per_node or found.gres)
    return None, -(-_count(found.gpus) // nodes)


def _count(text: str) -> int:
    """The number behind a kind; one where there is none."""
    last = re.split(r"[:=]", text)[-1]
    if last.isdigit():
        return int(last)
    if last and ":" not in text:
        return 1
    fail("%s is no number of GPUs" % text)


def environment_of(found: argparse.Namespace) -> dict[str, str]:
    """The variables of the tasks: those of srun, or what --export leaves of them."""
    around = dict(found.around)
    kept: dict[str, str] = {}
    is_all = False
    for part in found.export.split(","):
        name, equals, value = part.partition("=")
        if name == "ALL" and not equals:
            is_all = True
        elif equals:
            kept[name] = value
        elif name in around:
            kept[name] = around[name]
    if is_all:
        return {**around, **kept}
    always = {
        name: text
        for name, text in around.items()
        if name.startswith(("SLURM", "QD_")) or name in ("PATH", "HOME", "USER")
    }
    return {**always, **kept}


def folder_of(found: argparse.Namespace) -> str:
    """Where the tasks begin."""
    return os.path.abspath(found.chdir) if found.chdir else os.getcwd()
