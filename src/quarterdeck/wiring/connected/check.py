"""Whether a cluster can be used as a site: what works there, what does not, and what to do.

What can be known from here is asked of Slurm; the rest only a job on one of its nodes can tell, so
one is run: a few lines of shell on one CPU, and the runner's own trial of what it will need.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import threading
from time import monotonic, time
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.engines.slurm.batch import MARGIN_S, PATH
from quarterdeck.adapters.engines.slurm.failures import Cause, SlurmRefused
from quarterdeck.adapters.engines.slurm.gpus import read_gpus
from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from quarterdeck.adapters.engines.slurm.view import find_partition
from quarterdeck.adapters.spool.carried import carry_runner
from quarterdeck.adapters.spool.plain import write_plain
from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.basics.quantities import format_span
from quarterdeck.wiring.connected.building import make_commands, make_paths
from quarterdeck.wiring.connected.engines import PILOT
from quarterdeck.wiring.connected.mark import read_mark
from quarterdeck.wiring.doctor.findings import Finding, Level, note, ok, problem

if TYPE_CHECKING:
    from pathlib import Path

    from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
    from quarterdeck.adapters.engines.slurm.records import SlurmNode, SlurmPartition
    from quarterdeck.wiring.connected.entry import SiteEntry

TRIAL_S_MAX: Final = 60.0
TRIAL_LOOK_S: Final = 0.2
SKEW_S_MAX: Final = 5.0
PYTHON_LEAST: Final = (3, 9)


def check_site(
    entry: SiteEntry,
    *,
    with_trial: bool = True,
    changes_nothing: bool = False,
    is_added: bool = False,
) -> list[Finding]:
    """Everything that is looked at. Never raises for what is wrong with the site. With
    `changes_nothing` no job is run, and nothing is written into the folder. `is_added`: a server
    uses it, so its folder is there and has a mark."""
    commands = make_commands(entry)
    if is_added and not read_mark(entry):
        told = f"{make_paths(entry).root} has no mark of this site: is it mounted?"
        hint = f"mount it; if it is the right folder, `qd site add {entry.name} … --force`"
        folder = problem("folder", told, hint)
    else:
        folder = _look_from_outside(entry) if changes_nothing else _look_at_folder(entry)
    found = [folder]
    try:
        version = commands.version()
        found.append(ok("programs", version.text or "Slurm's client programs answer"))
        found += _look_at_controller(commands)
        partition = find_partition(commands, entry.partition)
        found += _look_at_partition(partition)
        nodes = [one for one in commands.list_nodes().items if one.name in set(partition.nodes)]
        found += _look_at_nodes(nodes, is_exact=entry.engine == PILOT)
        found.append(_look_at_topology(commands))
        found.append(_look_at_accounting(commands))
    except QuarterdeckError as error:
        return [*found, problem("slurm", error.message, error.hint or "see docs/howto/slurm.md")]
    if with_trial and not changes_nothing and folder.level is not Level.PROBLEM:
        if any(node.may_run for node in nodes):
            found += _try_out(entry, commands)
        else:
            found.append(note("trial", "no node runs jobs now", "check again when one does"))
    return found


def _look_from_outside(entry: SiteEntry) -> Finding:
    """Whether the site's folder could be made."""
    root = make_paths(entry).root
    place = next(one for one in (root, *root.parents) if one.exists())
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        told = f"{place} cannot be written"
        return problem("folder", told, "name a folder that this account may write, on all nodes")
    return ok("folder", f"{root} can be made")


def _look_at_folder(entry: SiteEntry) -> Finding:
    root = make_paths(entry).root
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_plain(root / ".probe", b"written", levels=0)
        (root / ".probe").unlink()
        mode = root.stat().st_mode & 0o777
    except OSError as error:
        told = f"{root} cannot be written: {error.strerror}"
        return problem("folder", told, "name a folder that this account may write, on all nodes")
    if mode & 0o022:
        told = f"{root} can be written by others (mode {mode:04o}), who could run what they like"
        return problem("folder", told, f"chmod 700 {root}")
    return ok("folder", f"{root} can be written from here")


def _look_at_controller(commands: SlurmCommands) -> list[Finding]:
    config = commands.show_config()
    found = [ok("controller", f"cluster {config.get('ClusterName') or 'without a name'} answers")]
    timeout = config.get("SlurmdTimeout", "").split()
    if timeout and timeout[0].isdigit() and int(timeout[0]) > 120:
        told = f"a lost node is noticed by Slurm after {timeout[0]} s; our runners notice sooner"
        found.append(note("lost nodes", told))
    return found


def _look_at_partition(partition: SlurmPartition) -> list[Finding]:
    about = f"partition {partition.name}"
    if partition.state != "UP":
        told = f"it is {partition.state}, so no job starts"
        return [problem(about, told, "let its admin set it UP, or use another one")]
    limit_s = partition.time_limit_s
    if limit_s is None:
        return [ok(about, f"{len(partition.nodes)} nodes, no limit of time")]
    least_s = MARGIN_S + 60
    if limit_s <= least_s:
        told = f"it ends jobs after {format_span(limit_s)}, which leaves none for work"
        return [problem(about, told, f"use one with more than {format_span(least_s)}")]
    told = f"{len(partition.nodes)} nodes, jobs of at most {format_span(limit_s)}"
    return [ok(about, told)]


def _look_at_nodes(nodes: list[SlurmNode], *, is_exact: bool) -> list[Finding]:
    ready = [node for node in nodes if node.may_run]
    found = [ok("nodes", f"{len(ready)} of {len(nodes)} run jobs")]
    if not ready:
        why = nodes[0].reason if nodes else "the partition has none"
        found = [problem("nodes", f"none of {len(nodes)} runs jobs ({why})", "ask its admin")]
    away = [node for node in nodes if not node.may_run][:5]
    for node in away if ready else ():
        told = f"{node.state.lower()} {' '.join(sorted(node.flags)).lower()} {node.reason}".strip()
        found.append(note(f"node {node.name}", told))
    gpus = [read_gpus(node.name, node.gres) for node in nodes]
    count = sum(len(one.types) for one in gpus)
    if not count:
        found.append(note("gpus", "Slurm knows of none", "GresTypes=gpu and gres.conf name them"))
    elif is_exact or all(one.are_exact for one in gpus if one.types):
        found.append(ok("gpus", f"{count}, each can be chosen"))
    else:
        told = f"{count}; Slurm gives any of a node's, so ids in the plan are names only"
        hint = "docs/howto/slurm.md says how to give each a type of its own, if that matters"
        found.append(note("gpus", told, hint))
    return found


def _look_at_topology(commands: SlurmCommands) -> Finding:
    switches = commands.show_topology().items
    if not switches:
        told = "Slurm knows no switches, so gangs are not placed near to each other"
        return note("topology", told, "give it a topology.conf")
    return ok("topology", f"{len(switches)} switches or blocks")


def _look_at_accounting(commands: SlurmCommands) -> Finding:
    try:
        commands.ended_jobs([1])
    except SlurmRefused as refusal:
        if refusal.cause is Cause.NO_ACCOUNTING:
            told = "there is none: why a job ended is known for MinJobAge only"
            return note("accounting", told)
        return note("accounting", str(refusal), refusal.hint)
    except QuarterdeckError as error:
        return note("accounting", error.message, error.hint)
    return ok("accounting", "sacct answers")


def _try_out(entry: SiteEntry, commands: SlurmCommands) -> list[Finding]:
    """Run a job on a node, and read what it has written into the folder."""
    paths = make_paths(entry)
    paths.make()
    runner, told = carry_runner(paths), paths.run / f"check-{time():.0f}.json"
    request = BatchRequest(
        script=_script(entry, runner, told),
        name="qd-check",
        comment=f"qd:check:{entry.name}",
        partition=entry.partition,
        account=entry.account,
        qos=entry.qos,
        reservation=entry.reservation,
        node_count=1,
        cpus_per_task=1,
        time_limit_s=60,
        output=str(told.with_suffix(".out")),
        folder="/",
    )
    try:
        job = commands.submit(request)
    except QuarterdeckError as error:
        return [problem("trial", error.message, error.hint or "see the message of Slurm")]
    try:
        return _wait_for_trial(entry, commands, job, told)
    except QuarterdeckError as error:
        return [problem("trial", error.message, error.hint or "see the message of Slurm")]
    finally:
        with contextlib.suppress(QuarterdeckError):
            commands.cancel([job])
        for path in (told, told.with_suffix(".out")):
            path.unlink(missing_ok=True)


def _wait_for_trial(
    entry: SiteEntry, commands: SlurmCommands, job: int, told: Path
) -> list[Finding]:
    until = monotonic() + TRIAL_S_MAX
    state, pause = "PENDING", threading.Event()
    while monotonic() < until:
        if told.exists():
            return _read_trial(json.loads(told.read_text()), told.stat().st_mtime)
        seen = {one.id: one for one in commands.list_jobs().items}.get(job)
        state = seen.state if seen is not None else state
        if seen is not None and seen.has_ended and not told.exists():
            return [_explain_trial(entry, state, told.with_suffix(".out"))]
        pause.wait(TRIAL_LOOK_S)
    if state != "PENDING":
        what = f"a job of one CPU is {state} and has said nothing within {TRIAL_S_MAX:g} s"
        return [problem("trial", what, "does the node reach the folder, and is it quick there?")]
    what = f"a job of one CPU did not start within {TRIAL_S_MAX:g} s"
    return [note("trial", what, "the cluster may be full; check again later")]


def _explain_trial(entry: SiteEntry, state: str, output: Path) -> Finding:
    said = output.read_text(errors="replace").strip().rpartition("\n")[2] if output.exists() else ""
    if not output.exists():
        hint = f"is {entry.folder} the same folder on the nodes as here?"
        return problem("trial", f"a job ended as {state} and left nothing in the folder", hint)
    hint = f"is {entry.python} on the nodes? name another one with --python"
    return problem("trial", f"a job ended as {state}: {said or 'it said nothing'}", hint)


def _read_trial(told: dict[str, Any], written_at: float) -> list[Finding]:
    version = tuple(int(part) for part in told["python"].split(".")[:2])
    shown = ".".join(map(str, version))
    found = [ok("trial", f"a job ran on {told['node']}, and the folder is the same there")]
    if version < PYTHON_LEAST:
        hint = "name a newer one with --python"
        found.append(problem("python", f"{shown} is too old for the runner", hint))
    else:
        found.append(ok("python", shown))
    skew_s = max(abs(told["at"] - written_at), abs(written_at - time()))
    if skew_s > SKEW_S_MAX:
        what = f"the clocks of {told['node']}, of the folder and of this machine differ by "
        found.append(problem("clock", f"{what}{format_span(skew_s)}", "set all by NTP"))
    else:
        found.append(ok("clock", "the node's agrees with the folder's"))
    limits = told["limits"]
    if limits["memory"]["works"]:
        found.append(ok("limits", "jobs are held to their memory by the runner, too"))
    else:
        what = f"only Slurm holds jobs to their memory ({limits['memory']['text']})"
        found.append(note("limits", what))
    return found


def _script(entry: SiteEntry, runner: Path, told: Path) -> str:
    """Writes a line of JSON, whole. It finds its Python as jobs do."""
    code = (
        "import json,os,subprocess,sys,time\n"
        "run=subprocess.run([sys.executable,'-I','-S',sys.argv[1],'confinement'],"
        "stdout=subprocess.PIPE,check=True)\n"
        "told={'python':'%d.%d'%sys.version_info[:2],'node':os.environ.get('SLURMD_NODENAME','?'),"
        "'at':time.time(),'limits':json.loads(run.stdout)}\n"
        "new=sys.argv[2]+'.new'\n"
        "open(new,'w').write(json.dumps(told))\n"
        "os.rename(new,sys.argv[2])\n"
    )
    line = shlex.join([entry.python, "-I", "-S", "-c", code, str(runner), str(told)])
    return f"#!/bin/sh\nPATH={shlex.quote(entry.path or PATH)}; export PATH\nexec {line}\n"
