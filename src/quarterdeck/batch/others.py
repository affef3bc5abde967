"""A node of the job that is not its first: it runs what the first one's srun orders."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from typing import Any

from .messages import BROKEN, Desk, Line, dial
from .tasks import Step

MEET_S = 120.0
LOOK_S = 0.05
WARNINGS = ("TERM", "INT", "HUP", "USR1", "USR2", "QUIT")


def meeting_place() -> str:
    """Where the first node says how to reach it: a folder that all nodes of the job see."""
    name = ".slurm-steps-%s.json" % os.environ["QD_ATTEMPT"]
    return os.path.join(os.environ["QD_CHECKPOINT"], name)


def attend(line: Line, root: str) -> None:
    """One who wants a step's tasks run here."""
    order = line.receive_message()
    if order.get("do") == "launch":
        Step(line, order, root).run()


def run_other(root: str) -> int:
    """Until the first node says that the script has ended."""
    for name in WARNINGS:
        # The script decides what becomes of a warning; its srun hands it on to the tasks here.
        signal.signal(getattr(signal, "SIG" + name), lambda _number, _frame: None)
    first = _find_first()
    if first is None:
        told = "qd: the first node of the job was not met within %gs: is %s one folder on all?"
        print(told % (MEET_S, os.environ["QD_CHECKPOINT"]), file=sys.stderr)
        return 1
    key = first["key"]
    desk = Desk(_own_address(first["address"]), key, lambda line: attend(line, root))
    desk.open()
    lifeline = dial(first["address"], first["port"], key)
    gpus = [one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
    lifeline.send(
        do="join",
        rank=int(os.environ["QD_NODE_RANK"]),
        address=desk.address,
        port=desk.port,
        gpus=gpus,
    )
    try:
        lifeline.receive_message()
    except BROKEN:
        print("qd: the first node of the job is gone", file=sys.stderr)
        return 1
    return 0


def _find_first() -> dict[str, Any] | None:
    deadline = time.monotonic() + MEET_S
    while time.monotonic() < deadline:
        found = _read_first()
        if found is not None:
            return found
        time.sleep(LOOK_S)
    return None


def _read_first() -> dict[str, Any] | None:
    try:
        with open(meeting_place()) as stream:
            found: dict[str, Any] = json.load(stream)
    except (FileNotFoundError, ValueError):
        return None
    return found


def _own_address(towards: str) -> str:
    """The address of this node on the way to the first one. No packet is sent."""
    family = socket.AF_INET6 if ":" in towards else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        address: str = probe.getsockname()[0]
        return address
