"""How much of what: nodes, tasks, CPUs, GPUs and memory per node, from sbatch's options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.sdk.sbatch import values
from quarterdeck.sdk.sbatch.directives import wrong

if TYPE_CHECKING:
    from quarterdeck.sdk.sbatch.given import Wishes


@dataclass(frozen=True, slots=True)
class Shape:
    """What the job takes on each of its nodes.

    `tasks` is None where as many as the nodes make it will run, which a range leaves open;
    `tasks_per_node` is how many there are on a node at most.
    """

    nodes: int
    nodes_max: int
    tasks: int | None
    tasks_per_node: int
    cpus_per_task: int
    cpus: int
    gpu: str | int
    memory_mib: int | None


def shape_of(wishes: Wishes) -> Shape:
    """The shape, or `Invalid` that names the option which does not go with the others."""
    nodes, nodes_max = _nodes(wishes)
    wanted = _gpus_per_node(wishes, nodes, nodes_max)
    tasks, per_node, nodes, nodes_max = _tasks(wishes, nodes, nodes_max, wanted)
    if given := wishes.find("gpus-per-task"):
        of_task = values.gpus(given)
        count = of_task.count * per_node
        if wanted is not None and wanted.count != count:
            told = f"{per_node} tasks on a node make it {count} GPUs, not {wanted.count}"
            raise wrong(given, told, "leave out one of the two")
        wanted = values.Gpus(count, of_task.kind)
    gpus = wanted or values.Gpus(0)
    constraint = wishes.find("constraint")
    models = values.models(constraint) if constraint is not None else None
    if constraint is not None and not gpus.count:
        raise wrong(constraint, "the job asks for no GPUs", "leave it out, or ask for GPUs")
    cpus_per_task, cpus = _cpus(wishes, per_node, gpus.count)
    return Shape(
        nodes,
        nodes_max,
        tasks,
        per_node,
        cpus_per_task,
        cpus,
        values.gpu_text(gpus, models),
        _memory_mib(wishes, cpus, gpus.count),
    )


def _nodes(wishes: Wishes) -> tuple[int, int]:
    if given := wishes.find("nodes"):
        return values.nodes(given)
    ntasks, per_node = wishes.find("ntasks"), wishes.find("ntasks-per-node")
    if ntasks is not None and per_node is not None:
        nodes = -(-values.count(ntasks) // values.count(per_node))
        return nodes, nodes
    return 1, 1


def _gpus_per_node(wishes: Wishes, nodes: int, nodes_max: int) -> values.Gpus | None:
    found: values.Gpus | None = None
    for name in ("gres", "gpus-per-node", "gpus"):
        given = wishes.find(name)
        if given is None:
            continue
        wanted = values.gres(given) if name == "gres" else values.gpus(given)
        if name == "gpus" and wishes.find("gpus-per-task") is not None:
            continue  # how many nodes share them is told by the tasks
        if name == "gpus":
            if wanted.count % nodes or (nodes_max != nodes and wanted.count):
                told = f"{wanted.count} GPUs are not the same number on each of the nodes"
                raise wrong(given, told, "say how many with --gpus-per-node")
            wanted = _of_count(wanted, wanted.count // nodes)
        if found is not None and found.count != wanted.count:
            told = f"that makes {wanted.count} per node, and another option {found.count}"
            raise wrong(given, told, "say it once")
        found = wanted if found is None or found.kind is None else found
    return found


def _of_count(wanted: values.Gpus, count: int) -> values.Gpus:
    """So many of the same kind."""
    return values.Gpus(count, wanted.kind)


def _tasks(
    wishes: Wishes, nodes: int, nodes_max: int, gpus: values.Gpus | None
) -> tuple[int | None, int, int, int]:
    """Tasks in all, per node at most, and the nodes, which are no more than the tasks."""
    ntasks, per_node = wishes.find("ntasks"), wishes.find("ntasks-per-node")
    if given := wishes.find("ntasks-per-gpu"):
        each = values.count(given) * (gpus.count if gpus else 0)
        if ntasks is not None or per_node is not None or not each:
            told = "it goes with a number of GPUs per node, and with no number of tasks"
            raise wrong(given, told, "say how many tasks with --ntasks-per-node")
        return (each * nodes if nodes == nodes_max else None), each, nodes, nodes_max
    most = values.count(per_node) if per_node is not None else None
    if ntasks is None:
        each = most or 1
        return (each * nodes if nodes == nodes_max else None), each, nodes, nodes_max
    tasks = values.count(ntasks)
    if tasks < nodes:
        wishes.warn(ntasks, f"the job takes {tasks} nodes: there is no task for more")
        nodes = tasks
    nodes_max = max(nodes, min(nodes_max, tasks))
    each = -(-tasks // nodes)
    if most is not None and each > most:
        told = f"{nodes} nodes with {most} tasks each have no room for {tasks}"
        raise wrong(ntasks, told, "ask for more nodes, or leave out --ntasks-per-node")
    return tasks, each, nodes, nodes_max


def _cpus(wishes: Wishes, per_node: int, gpus: int) -> tuple[int, int]:
    """CPUs per task, and per node."""
    of_task, of_gpu = wishes.find("cpus-per-task"), wishes.find("cpus-per-gpu")
    if of_gpu is not None:
        if of_task is not None or not gpus:
            told = "it goes with GPUs, and not with --cpus-per-task"
            raise wrong(of_gpu, told, "say it with --cpus-per-task alone")
        cpus = values.count(of_gpu) * gpus
        each = max(1, cpus // per_node)
    else:
        each = values.count(of_task) if of_task is not None else 1
        cpus = each * per_node
    if given := wishes.find("mincpus"):
        cpus = max(cpus, values.count(given, 0))
    return each, max(cpus, per_node)


def _memory_mib(wishes: Wishes, cpus: int, gpus: int) -> int | None:
    given = wishes.find_one("mem", "mem-per-cpu", "mem-per-gpu")
    if given is None:
        return None
    each = values.memory_mib(given)
    if each == 0:
        wishes.warn(given, "nothing is reserved, and nothing limited")
        return None
    if given.option.name == "mem-per-gpu" and not gpus:
        raise wrong(given, "the job asks for no GPUs", "say it with --mem")
    factor = {"mem": 1, "mem-per-cpu": cpus, "mem-per-gpu": gpus}[given.option.name]
    return each * factor
