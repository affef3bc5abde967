"""A port for the rendezvous of a replica's ranks."""

from __future__ import annotations

import _socket  # socket adds selectors and enumerations, which nothing here needs
import os

from .light import suppress

PORTS = (20000, 32767)
PORT_TRIES = 20


class ReservedPort:
    """A port for the rendezvous, held until the command starts, so that nobody else is given it.

    A launcher may take seconds from then until it listens. So the port is not one of those that
    the system gives to outgoing connections, if there are others.
    """

    def __init__(self, address: str) -> None:
        family = _socket.AF_INET6 if ":" in address else _socket.AF_INET
        self._address = address
        self._holder = _socket.socket(family, _socket.SOCK_STREAM)

    def __enter__(self) -> int:
        self._holder.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        _bind(self._holder, self._address)
        number: int = self._holder.getsockname()[1]
        return number

    def __exit__(self, *_: object) -> None:
        self._holder.close()


def _bind(holder: _socket.socket, address: str) -> None:
    ports = range(PORTS[0], min(PORTS[1], _first_ephemeral_port() - 1) + 1)
    for _ in range(PORT_TRIES if ports else 0):
        with suppress(OSError):
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
