"""Talk between the processes of one job: over TCP, after both have shown that they know its key.

The challenges and the framing are those of `multiprocessing.connection`; nothing is unpickled. A
message is JSON, or bytes with a tag and a number: what a task wrote, or what it is to read.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from typing import Any, Callable, NamedTuple

BYTES_MAX = 1 << 24
DIAL_S = 30.0
HEAD = struct.Struct(">cI")
OUT, ERR, IN = b"O", b"E", b"I"
BROKEN = (EOFError, OSError)
"""What comes of a connection whose other end is gone."""


class Data(NamedTuple):
    """Bytes of a stream of a task."""

    tag: bytes
    number: int
    content: bytes


class Line:
    """One end of a connection. Any thread may send, one receives."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def fileno(self) -> int:
        """For those who wait for several."""
        return self._connection.fileno()

    def send(self, **message: Any) -> None:  # noqa: ANN401 - whatever JSON takes
        """A message."""
        self._send(json.dumps(message).encode())

    def send_data(self, tag: bytes, number: int, content: bytes) -> None:
        """Bytes of a task; empty ones say that there are no more."""
        self._send(HEAD.pack(tag, number) + content)

    def receive(self) -> dict[str, Any] | Data:
        """The next message; one of `BROKEN` when there is none any more."""
        raw = self._connection.recv_bytes(BYTES_MAX)
        if raw[:1] == b"{":
            message: dict[str, Any] = json.loads(raw)
            return message
        tag, number = HEAD.unpack_from(raw)
        return Data(tag, number, raw[HEAD.size :])

    def receive_message(self) -> dict[str, Any]:
        """The next message, where only one of words can come."""
        message = self.receive()
        if isinstance(message, Data):
            raise OSError("bytes came where a message was to come")
        return message

    def close(self) -> None:
        """Once it is closed, whoever waits at the other end knows."""
        self._connection.close()

    def _send(self, raw: bytes) -> None:
        with self._sending:
            self._connection.send_bytes(raw)


def dial(address: str, port: int, key: str) -> Line:
    """Connect to one who listens."""
    found = socket.create_connection((address, port), DIAL_S)
    found.settimeout(None)
    connection = _connection(found)
    answer_challenge(connection, key.encode())
    deliver_challenge(connection, key.encode())
    return Line(connection)


class Desk:
    """Listens, and has each who comes with the right key attended to in a thread of its own."""

    def __init__(self, address: str, key: str, attend: Callable[[Line], None]) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self._listener = socket.create_server((address, 0), family=family, backlog=256)
        self._key = key.encode()
        self._attend = attend
        self.address = address
        self.port: int = self._listener.getsockname()[1]

    def open(self) -> None:
        """Begin, without waiting."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            found, _ = self._listener.accept()
            threading.Thread(target=self._greet, args=(found,), daemon=True).start()

    def _greet(self, found: socket.socket) -> None:
        connection = _connection(found)
        try:
            deliver_challenge(connection, self._key)
            answer_challenge(connection, self._key)
            self._attend(Line(connection))
        except Exception:  # noqa: BLE001 - a stranger, or one who has gone: nobody else is to suffer
            return
        finally:
            connection.close()


def _connection(found: socket.socket) -> Connection:
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connection(found.detach())
