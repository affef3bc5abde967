"""A port for the rendezvous of a replica's ranks."""

from __future__ import annotations

import contextlib
import random
import socket

PORTS = (20000, 32767)
PORT_TRIES = 20


def reserve_port(address: str) -> socket.socket:
    """A port for the rendezvous, held until the command starts, so that nobody else is given it.

    A launcher may take seconds from then until it listens. So the port is not one of those that
    the system gives to outgoing connections, if there are others.
    """
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    first, last = PORTS[0], min(PORTS[1], _first_ephemeral_port() - 1)
    for _ in range(PORT_TRIES):
        if first <= last:
            with contextlib.suppress(OSError):
                reserved.bind((address, random.randint(first, last)))  # noqa: S311 - no secret
                return reserved
    try:
        reserved.bind((address, 0))
    except OSError:
        reserved.bind(("", 0))
    return reserved


def _first_ephemeral_port() -> int:
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as stream:
            return int(stream.read().split()[0])
    except (OSError, ValueError, IndexError):
        return PORTS[0]
