"""The options of sbatch(1), 22.05 to 25.05, and what becomes of each.

Every option has one fate: it is mapped, it is let go with a warning that says so, or it is refused
with what to do. An option that is not in the table is refused, too: none is passed over unseen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Takes = Literal["value", "maybe", "nothing"]


@dataclass(frozen=True, slots=True)
class Option:
    """One option. `takes`: whether a value follows (`maybe`: only behind `=`)."""

    name: str
    short: str = ""
    takes: Takes = "value"
    warning: str = ""
    refusal: str = ""
    group: str = ""
    """Options of one group are one wish: those of the command line put all the script's aside."""
    help: str = ""

    @property
    def is_mapped(self) -> bool:
        """Whether it changes the job."""
        return not self.warning and not self.refusal


_PLACED: Final = "jobs are placed by what they need"
_HARMLESS: Final = "it changes nothing here"
_MAPPED: Final = (
    Option("account", "A", help="The team."),
    Option("array", "a", help="Many tasks: 0-99%10."),
    Option("chdir", "D", help="Folder to snapshot and to run in."),
    Option("clusters", "M", help="The site."),
    Option("comment", help="A tag of the job."),
    Option("container-image", help="The image that all of it runs in, as pyxis has it."),
    Option("constraint", "C", help="A GPU's model, such as a100 or a100|h100."),
    Option("cpus-per-gpu", group="cpus", help="CPUs for each GPU."),
    Option("cpus-per-task", "c", group="cpus", help="CPUs for each task."),
    Option("dependency", "d", help="afterok:ID, for jobs that must succeed first."),
    Option("error", "e", help="A result with what goes to standard error."),
    Option("exclusive", takes="maybe", group="sharing", help="Refused: nodes are shared."),
    Option("export", help="Variables: NAME=value, or NAME for the value that it has now."),
    Option("gpus", "G", group="gpus", help="GPUs of the whole job: [model:]N."),
    Option("gpus-per-node", group="gpus", help="GPUs per node: [model:]N."),
    Option("gpus-per-task", group="gpus", help="GPUs per task: [model:]N."),
    Option("gres", group="gpus", help="GPUs per node: gpu[:model][:N]."),
    Option("hold", "H", takes="nothing", help="Keep it from starting until `qd release`."),
    Option("input", "i", help="A file of the work folder as standard input."),
    Option("job-name", "J", help="A name for people."),
    Option("mem", group="memory", help="Memory per node, in MiB unless it has a unit."),
    Option("mem-per-cpu", group="memory", help="Memory for each CPU."),
    Option("mem-per-gpu", group="memory", help="Memory for each GPU."),
    Option("mincpus", help="CPUs per node at least."),
    Option("nice", takes="maybe", help="It changes nothing here."),
    Option("no-requeue", takes="nothing", group="requeue", help="Never run it twice."),
    Option("nodes", "N", help="Nodes, or the least and the most: 2-8."),
    Option("ntasks", "n", help="Tasks that srun starts."),
    Option("ntasks-per-gpu", help="Tasks for each GPU."),
    Option("ntasks-per-node", help="Tasks per node."),
    Option("output", "o", help="A result with what the script prints."),
    Option("oversubscribe", "s", "nothing", group="sharing", help="Undoes --exclusive."),
    Option("parsable", takes="nothing", help="Print the id alone."),
    Option("partition", "p", help="A tag of the job."),
    Option("qos", "q", help="low, normal or high is the priority, anything else a tag."),
    Option("requeue", takes="nothing", group="requeue", help="Retry after a node failure."),
    Option("signal", help="A warning before a stop: [B:]SIGNAL[@seconds]."),
    Option("switches", help="1: near each other, if there is room."),
    Option("test-only", takes="nothing", help="Check everything, change nothing."),
    Option("time", "t", help="Time limit: minutes, h:m:s, d-h:m:s, or 2h."),
    Option("wckey", help="A tag of the job."),
)


def _warned(text: str, *names: str, takes: Takes = "value") -> tuple[Option, ...]:
    return tuple(_named(one, takes, warning=text) for one in names)


def _refused(text: str, *names: str, takes: Takes = "value") -> tuple[Option, ...]:
    return tuple(_named(one, takes, refusal=text) for one in names)


def _named(name: str, takes: Takes, warning: str = "", refusal: str = "") -> Option:
    long, _, short = name.partition(" ")
    return Option(long, short, takes, warning, refusal)


_WARNED: Final = (
    *_warned(
        "no mail is sent; `qd wait` returns at the job's end, and a webhook can tell of it",
        *("mail-type", "mail-user"),
    ),
    *_warned("every attempt has results of its own, so nothing is written over", "open-mode"),
    *_warned(
        f"{_HARMLESS}: tasks are not bound to CPUs, memory or single GPUs",
        *("cores-per-socket", "extra-node-info B", "gpu-bind", "hint", "mem-bind"),
        *("ntasks-per-core", "ntasks-per-socket", "sockets-per-node", "threads-per-core"),
        "tres-bind",
    ),
    *_warned(
        f"{_HARMLESS}: srun puts its tasks on the nodes in blocks unless it is told otherwise",
        "distribution m",
    ),
    *_warned(
        f"{_HARMLESS}: {_PLACED}",
        "segment",
    ),
    *_warned(
        f"{_HARMLESS}: {_PLACED}",
        *("contiguous", "use-min-nodes", "spread-job"),
        takes="nothing",
    ),
    *_warned(
        f"{_HARMLESS}: the job ends when one of its nodes fails",
        "no-kill k",
        takes="maybe",
    ),
    *_warned(
        f"{_HARMLESS}: all nodes of a job start or none, and a job that needs one that failed ends",
        *("wait-all-nodes", "kill-on-invalid-dep", "delay-boot"),
    ),
    *_warned(
        f"{_HARMLESS}: clocks of CPUs and GPUs are left as they are",
        *("cpu-freq", "gpu-freq"),
    ),
    *_warned(
        f"{_HARMLESS}: what a job uses is measured in any case",
        *("acctg-freq", "profile"),
    ),
    *_warned(f"{_HARMLESS}: limits are those of the site", "propagate", takes="maybe"),
    *_warned(f"{_HARMLESS}: the job gets its whole time limit or waits", "time-min"),
    *_warned(
        f"{_HARMLESS}: variables of your shell travel only when --export names them",
        "get-user-env",
        takes="maybe",
    ),
    *_warned(
        _HARMLESS,
        *("ignore-pbs", "resv-ports", "stepmgr", "overcommit O", "quiet Q", "verbose v"),
        takes="nothing",
    ),
    *_warned(
        f"{_HARMLESS}: that is how an image is used here",
        *("container-entrypoint-log", "container-readonly", "no-container-entrypoint"),
        *("no-container-mount-home", "no-container-remap-root"),
        takes="nothing",
    ),
    *_warned(f"{_HARMLESS}: the variables of a job win over those of its image", "container-env"),
    *_warned("a priority of one's own is not set by a number; use `qd reorder`", "priority"),
)
_REFUSED: Final = (
    *_refused(
        "nodes are chosen by what the job needs; ask for a GPU's model, or use `qd reserve` to "
        "have nodes kept",
        *("nodelist w", "nodefile F", "exclude x"),
    ),
    *_refused("bookings belong to teams: say whose with --account", "reservation"),
    *_refused("submit it when it may start, or with --hold and `qd release` then", "begin b"),
    *_refused("there are no deadlines; --time says how long it may run", "deadline"),
    *_refused(
        "put what the job needs into its work folder",
        *("bb", "bbf", "export-file"),
    ),
    *_refused(
        "name the image with --container-image",
        *("container", "container-id", "container-name"),
    ),
    *_refused(
        "in an image there is nothing of the node but the job's own folders: put what it needs "
        "into the work folder, and what it makes into results or a checkpoint",
        *("container-mounts", "container-save"),
    ),
    *_refused("it begins in the work folder; use --chdir", "container-workdir"),
    *_refused(
        "an image is read only, its entrypoint is not used, and nobody is root in it",
        *("container-entrypoint", "container-mount-home", "container-remap-root"),
        "container-writable",
        takes="nothing",
    ),
    *_refused("an image has the node's network here", "container-unshare"),
    *_refused("use --gpus-per-node", *("gpus-per-socket", "tres-per-node", "tres-per-task")),
    *_refused("licences are not counted here", "licenses L"),
    *_refused("there is no such thing here", "mcs-label", "network", "power", "core-spec S"),
    *_refused("there is no such thing here", "thread-spec", "topology", "extra", "prefer"),
    *_refused("the disk of nodes is not reserved; leave it out if there is enough", "tmp"),
    *_refused("nodes are not booted for jobs", "reboot", takes="nothing"),
    *_refused("jobs run as who submits them", *("uid", "gid")),
    *_refused("submit, then `qd wait ID`", "wait W", takes="nothing"),
    *_refused("use `qd run -- COMMAND`", "wrap"),
)
OPTIONS: Final[tuple[Option, ...]] = tuple(
    sorted((*_MAPPED, *_WARNED, *_REFUSED), key=lambda option: option.name)
)
BY_NAME: Final = {option.name: option for option in OPTIONS}
BY_SHORT: Final = {option.short: option for option in OPTIONS if option.short}
ALIASES: Final = {
    "tasks-per-node": "ntasks-per-node",
    "workdir": "chdir",
    "share": "oversubscribe",
    "cluster": "clusters",
}
"""Older or other names of the same options."""


def find_option(name: str) -> tuple[Option | None, list[str]]:
    """The long option of this name, or that begins so, as getopt_long finds it; else those that
    the name may have meant."""
    name = ALIASES.get(name, name)
    if name in BY_NAME:
        return BY_NAME[name], []
    begun = [option for option in OPTIONS if name and option.name.startswith(name)]
    return (begun[0], []) if len(begun) == 1 else (None, [option.name for option in begun])
