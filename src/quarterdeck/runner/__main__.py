"""`python -I -S FOLDER COMMAND`: launcher, pilot, replicas, reaper, or a trial of what works."""

from __future__ import annotations

import argparse
import os
import sys

if not __package__:
    # Run as a folder: make it the package that it is, without leaving its surroundings importable.
    _here = os.path.dirname(os.path.abspath(__file__))
    __package__ = os.path.basename(_here)
    sys.path.insert(0, os.path.dirname(_here))
    __import__(__package__)
    del sys.path[0]


def main(arguments: list[str]) -> int:
    """Run one of the six."""
    parser = argparse.ArgumentParser(prog="runner")
    commands = parser.add_subparsers(dest="command", required=True)
    launcher = commands.add_parser("launcher", help="fork a runner per replica folder")
    launcher.add_argument("--site", required=True)
    launcher.add_argument("--idle-s", type=float, default=3.0)
    replica = commands.add_parser("replica", help="run one replica")
    replica.add_argument("folder")
    node = commands.add_parser("node", help="run the replicas of an attempt that lie on a node")
    node.add_argument("attempt")
    node.add_argument("--name", required=True)
    pilot = commands.add_parser("pilot", help="hold a node, and fork a runner per order")
    pilot.add_argument("folder")
    pilot.add_argument("--name", required=True)
    reap = commands.add_parser("reap", help="kill what carries these marks")
    reap.add_argument("--marker", action="append", required=True)
    reap.add_argument("--folder", action="append", default=[], help="whose containers are removed")
    commands.add_parser("confinement", help="say as JSON whether cgroups can be made here")
    commands.add_parser("enclosures", help="say as JSON whether images and isolation work here")
    given = parser.parse_args(arguments)
    if given.command == "launcher":
        from .launcher import run_launcher

        return run_launcher(given.site, given.idle_s)
    if given.command == "replica":
        from .replica import run_replica

        return run_replica(os.path.abspath(given.folder))
    if given.command == "node":
        from .node import run_node

        return run_node(os.path.abspath(given.attempt), given.name)
    if given.command == "pilot":
        from .pilot import run_pilot

        return run_pilot(os.path.abspath(given.folder), given.name)
    if given.command in ("confinement", "enclosures"):
        return _print_trial(given.command)
    from .processes import kill_marked

    kill_marked(set(given.marker))
    for folder in given.folder:
        from .podman import clear_containers

        clear_containers(folder)
    return 0


def _print_trial(what: str) -> int:
    import json

    if what == "confinement":
        from .cgroups import try_out

        print(json.dumps(try_out()))
    else:
        from .trials import try_enclosures

        print(json.dumps(try_enclosures()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
