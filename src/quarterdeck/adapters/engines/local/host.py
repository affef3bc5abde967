"""This machine as a node: its CPUs, its memory, and the GPUs that a gauge finds."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.core.cluster.hardware import Node

if TYPE_CHECKING:
    from quarterdeck.ports.gauge import Gauge


def read_host(gauge: Gauge) -> Node:
    """The machine as it is now. CPUs are those that this process may use."""
    return Node(
        name=re.sub(r"[^A-Za-z0-9._-]", "-", socket.gethostname()) or "localhost",
        cpus=len(os.sched_getaffinity(0)),
        memory_bytes=_memory_bytes(Path("/proc/meminfo").read_text()),
        devices=gauge.list_devices(),
    )


def _memory_bytes(meminfo: str) -> int:
    match = re.search(r"^MemTotal:\s+(\d+) kB$", meminfo, re.MULTILINE)
    assert match is not None, meminfo[:200]
    return int(match[1]) * 1024
