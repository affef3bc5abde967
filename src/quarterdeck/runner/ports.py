"""A port for the rendezvous of a replica's ranks."""

from __future__ import annotations

import _socket  # socket adds selectors and enumerations, which nothing here needs
import contextlib
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterator

PORTS = (20000, 32767)
PORT_TRIES = 20


@contextlib.contextmanager
def reserved_port(address: str) -> Iterator[int]:
    """A port for the rendezvous, held until the command starts, so that nobody else is given it.

    A launcher may take seconds from then until it listens. So the port is not one of those that
    the system gives to outgoing connections, if there are others.
    """
    family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
    holder = _socket.socket(family, _socket.SOCK_STREAM)
    try:
        holder.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        _bind(holder, address)
        yield holder.getsockname()[1]
    finally:
        holder.close()


def _bind(holder: _socket.socket, address: str) -> None:
    ports = range(PORTS[0], min(PORTS[1], _first_ephemeral_port() - 1) + 1)
    for _ in range(PORT_TRIES if ports else 0):
        with contextlib.suppress(OSError):
            holder.bind((address, ports[int.from_bytes(os.urandom(4), "big") % len(ports)]))
            return
    try:
        holder.bind((address, 0))
    except OSError:
        holder.bind(("", 0))


def _first_ephemeral_port() -> int:
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as stream:
            return int(stream.read().split()[0])
    except (OSError, ValueError, IndexError):
        return PORTS[0]
