"""Messages as HTTP POSTs, signed by the Standard Webhooks convention.

The receiver is a stranger: it may hang, drip, lie or send us elsewhere. So a try has one deadline
for everything, redirects are not followed, no proxy of the environment is asked, and of the answer
only the status is read: its text goes nowhere, so it cannot be used to look into our network.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.notifiers.addresses import parse_url, resolve
from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.basics.signatures import sign
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.ports.notifier import Outcome

if TYPE_CHECKING:
    from quarterdeck.adapters.notifiers.addresses import Target
    from quarterdeck.ports.clock import Clock
    from quarterdeck.ports.notifier import Message

TRY_S_MAX: Final = 10.0
CONNECT_S_MAX: Final = 3.0
_GONE: Final = 410


class WebhookNotifier:
    """See the module. `may_be_private`: addresses of this machine and its network are fine."""

    def __init__(
        self, clock: Clock, version: str, *, may_be_private: bool, try_s: float = TRY_S_MAX
    ) -> None:
        self._clock = clock
        self._agent = f"quarterdeck/{version}"
        self._may_be_private = may_be_private
        self._try_s = try_s

    def check(self, url: str) -> None:
        """Refuse a URL that cannot be read, found, or reached from here with good conscience."""
        resolve(parse_url(url), may_be_private=self._may_be_private)

    def send(self, url: str, secret: str, message: Message) -> Outcome:
        """POST it and read the status."""
        deadline_s = monotonic() + self._try_s
        try:
            target = parse_url(url)
            # Resolved and judged anew each time: what a name means may change.
            addresses = resolve(target, may_be_private=self._may_be_private)
            with closing(_connect(target, addresses, deadline_s)) as connected:
                wire = _Wire(connected, deadline_s)
                return _outcome_of(self._post(wire, target, secret, message))
        except QuarterdeckError as error:
            return Outcome(is_delivered=False, message=error.message)
        except TimeoutError:
            return Outcome(is_delivered=False, message=f"no answer within {self._try_s:g}s")
        except (OSError, http.client.HTTPException) as error:
            told = getattr(error, "strerror", None) or type(error).__name__
            return Outcome(is_delivered=False, message=f"no answer: {told}")

    def _post(self, wire: _Wire, target: Target, secret: str, message: Message) -> int:
        timestamp_s = self._clock.now_ns() // NS_PER_S
        connection = http.client.HTTPConnection(target.host)
        connection.sock = wire  # all that it uses is there
        connection.putrequest("POST", target.path, skip_host=True, skip_accept_encoding=True)
        for name, value in (
            ("Host", target.authority),
            ("User-Agent", self._agent),
            ("Content-Type", "application/json"),
            ("Content-Length", str(len(message.body))),
            ("Connection", "close"),
            ("webhook-id", message.id),
            ("webhook-timestamp", str(timestamp_s)),
            ("webhook-signature", sign(secret, message.id, timestamp_s, message.body)),
        ):
            connection.putheader(name, value)
        connection.endheaders(message.body)
        with closing(connection.getresponse()) as response:
            return response.status


def _outcome_of(status: int) -> Outcome:
    told = f"answered {status}"
    if 300 <= status < 400:
        told += ", a redirect, which is not followed"
    return Outcome(200 <= status < 300, told, status, is_gone=status == _GONE)


def _connect(target: Target, addresses: list[str], deadline_s: float) -> socket.socket:
    """A connection to one of the addresses, which are not looked up again."""
    failure: OSError | None = None
    for address in addresses:
        try:
            wait_s = min(CONNECT_S_MAX, _left(deadline_s))
            plain = socket.create_connection((address, target.port), wait_s)
        except OSError as error:
            failure = error
            continue
        return _secured(plain, target, deadline_s)
    assert failure is not None, "there is at least one address"
    raise failure


def _secured(plain: socket.socket, target: Target, deadline_s: float) -> socket.socket:
    if target.scheme == "http":
        return plain
    try:
        plain.settimeout(_left(deadline_s))
        return ssl.create_default_context().wrap_socket(plain, server_hostname=target.host)
    except BaseException:
        plain.close()
        raise


def _left(deadline_s: float) -> float:
    left_s = deadline_s - monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


class _Wire:
    """A socket, as far as `http.client` uses one, on which everything together has to be done by
    one deadline; a socket's own timeout would begin again with every byte that drips in."""

    def __init__(self, connected: socket.socket, deadline_s: float) -> None:
        self._socket = connected
        self._deadline_s = deadline_s

    def sendall(self, data: bytes) -> None:
        """Send it all."""
        self._socket.settimeout(_left(self._deadline_s))
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What the answer is read from."""
        return io.BufferedReader(_Reader(self._socket, self._deadline_s))

    def close(self) -> None:
        """Whoever made the socket closes it."""


class _Reader(io.RawIOBase):
    """The bytes that come in on time."""

    def __init__(self, connected: socket.socket, deadline_s: float) -> None:
        self._socket = connected
        self._deadline_s = deadline_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever holds bytes
        self._socket.settimeout(_left(self._deadline_s))
        return self._socket.recv_into(buffer)
