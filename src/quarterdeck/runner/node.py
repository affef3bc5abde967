"""The replicas of an attempt that lie on one node, for engines that start one process per node."""

from __future__ import annotations

import os
import sys

from .jsons import parse_json
from .prctl import die_with_parent
from .replica import run_replica

NODES = "nodes.json"
"""In the attempt's folder: the ranks of its replicas, by node."""


def run_node(attempt: str, name: str) -> int:
    """Run them, each under a runner of its own, and wait for all."""
    with open(os.path.join(attempt, NODES)) as stream:
        ranks: list[int] = parse_json(stream.read()).get(name, [])
    if not ranks:
        sys.stderr.write("no replica of %s lies on the node %s\n" % (attempt, name))
        return 1
    folders = [os.path.join(attempt, str(rank)) for rank in ranks]
    if len(folders) == 1:
        return run_replica(folders[0])
    die_with_parent()  # Then each of them is without its parent, too, and takes note of it.
    children = [_fork(folder) for folder in folders]
    codes = [os.waitpid(child, 0)[1] for child in children]
    return 1 if any(codes) else 0


def _fork(folder: str) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = run_replica(folder)
    except BaseException:  # noqa: BLE001 - this is the top of a process
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)
