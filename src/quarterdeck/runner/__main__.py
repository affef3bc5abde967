"""`python -I -S FOLDER COMMAND`: launcher, pilot, replicas, reaper, or a trial of what works.

Each command loads what it needs and no more: a batch job's runner lives about as long as its
imports take (tests/integration/runner/test_start.py says what it may load).
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

if not __package__:
    # Run as a folder: make it the package that it is, without leaving its surroundings importable.
    _here = os.path.dirname(os.path.abspath(__file__))
    __package__ = os.path.basename(_here)
    sys.path.insert(0, os.path.dirname(_here))
    __import__(__package__)
    del sys.path[0]

USAGE = """\
launcher --site FOLDER [--idle-s SECONDS]     fork a runner per replica folder
replica FOLDER                                run one replica
node ATTEMPT --name NODE                      run the replicas of an attempt that lie on a node
pilot FOLDER --name NODE                      hold a node, and fork a runner per order
reap --marker MARK ... [--folder FOLDER ...]  kill what carries these marks, and the folders'
                                              containers
load --image REFERENCE --podman PROGRAM --copy FILE
                                              have podman load an image of an archive
unpack --image REFERENCE --enroot PROGRAM     have enroot unpack an image
confinement                                   say as JSON whether cgroups can be made here
enclosures                                    say as JSON whether images and isolation work here
"""


def main(arguments: list[str]) -> int:
    """Run one of these."""
    run, places, needed = _COMMANDS.get("".join(arguments[:1]), _NONE)
    words, options = _split(arguments[1:])
    if len(words) != places or not all(name in options for name in needed):
        sys.stderr.write(USAGE)
        return 2
    return run([os.path.abspath(word) for word in words], options)


def _split(arguments: list[str]) -> tuple[list[str], dict[str, list[str]]]:
    """The words, and what follows each option."""
    words: list[str] = []
    options: dict[str, list[str]] = {}
    given = iter(arguments)
    for one in given:
        if one.startswith("--"):
            options.setdefault(one, []).append(next(given, ""))
        else:
            words.append(one)
    return words, options


def _launcher(_: list[str], options: dict[str, list[str]]) -> int:
    from .launcher import run_launcher

    return run_launcher(options["--site"][0], float(options.get("--idle-s", ["3"])[0]))


def _replica(words: list[str], _: dict[str, list[str]]) -> int:
    from .replica import run_replica

    return run_replica(words[0])


def _node(words: list[str], options: dict[str, list[str]]) -> int:
    from .node import run_node

    return run_node(words[0], options["--name"][0])


def _pilot(words: list[str], options: dict[str, list[str]]) -> int:
    from .pilot import run_pilot

    return run_pilot(words[0], options["--name"][0])


def _reap(_: list[str], options: dict[str, list[str]]) -> int:
    from .lodging import clear_enclosures
    from .processes import kill_marked

    kill_marked(set(options["--marker"]))
    for folder in options.get("--folder", ()):
        clear_enclosures(folder)
    return 0


def _load(_: list[str], options: dict[str, list[str]]) -> int:
    from .archives import load

    return load(options["--podman"][0], options["--image"][0], options["--copy"][0])


def _unpack(_: list[str], options: dict[str, list[str]]) -> int:
    from .enroot import unpack

    return unpack(options["--enroot"][0], options["--image"][0])


def _confinement(_: list[str], __: dict[str, list[str]]) -> int:
    from .cgroups import try_out

    return _print(try_out())


def _enclosures(_: list[str], __: dict[str, list[str]]) -> int:
    from .trials import try_enclosures

    return _print(try_enclosures())


def _print(content: object) -> int:
    import json

    print(json.dumps(content))
    return 0


_COMMANDS = {
    "launcher": (_launcher, 0, ("--site",)),
    "replica": (_replica, 1, ()),
    "node": (_node, 1, ("--name",)),
    "pilot": (_pilot, 1, ("--name",)),
    "reap": (_reap, 0, ("--marker",)),
    "load": (_load, 0, ("--image", "--podman", "--copy")),
    "unpack": (_unpack, 0, ("--image", "--enroot")),
    "confinement": (_confinement, 0, ()),
    "enclosures": (_enclosures, 0, ()),
}
"""How each is run, how many words it takes, and which options it cannot do without."""
_NONE = (_launcher, -1, ())


def leave(code: int) -> NoReturn:
    """End this process without taking it apart: there is nothing that the system does not do."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
