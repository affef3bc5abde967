"""The socket that a server listens on, and the promise that it is where the settings say."""

from __future__ import annotations

import ipaddress
import socket
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Refused

if TYPE_CHECKING:
    from quarterdeck.wiring.settings import Settings

BACKLOG: Final = 2048


def listen(settings: Settings) -> socket.socket:
    """A socket that waits for clients. `Refused` for an address that cannot be had."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        # With the protocol named, asyncio sets TCP_NODELAY: answers do not wait 40 ms for an ACK.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        raise Refused(
            f"cannot listen on {settings.host} port {settings.port}: {error.strerror}",
            field="port",
            hint="use --port 0 for any free port",
        ) from error
    _check_where(settings, listener)
    listener.set_inheritable(False)
    return listener


def _check_where(settings: Settings, listener: socket.socket) -> None:
    """A name may stand for any address: what counts is where the socket really is."""
    address = listener.getsockname()[0]
    is_promised = settings.is_loopback and settings.tls_cert is None and not settings.behind_proxy
    if is_promised and not ipaddress.ip_address(address).is_loopback:
        listener.close()
        raise Refused(
            f"--host {settings.host} stands for {address}, which is not a loopback address",
            code="unsafe_listener",
            field="host",
            hint="give 127.0.0.1, or --tls-cert and --tls-key",
        )
