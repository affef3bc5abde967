"""Which addresses a URL given by somebody else may lead to.

A server that fetches what it is told to is a way into the network behind it. So a name is resolved
here, every address is judged, and the connection is made to an address that was judged: a name that
answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

from quarterdeck.basics.errors import Invalid, NotAllowed

URL_CHARS_MAX: Final = 2048
_PORTS: Final = {"http": 80, "https": 443}
_UNICAST: Final = IPv6Network("2000::/3")
"""All that was ever given out of IPv6 for the open internet."""
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""IPv4 addresses as IPv6 hosts see them through a translator (RFC 6052)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, taken apart. `host` is without brackets, `path` has the query in it."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What the header Host says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"


def parse_url(url: str) -> Target:
    """The URL's parts; `Invalid` for one that nothing can be sent to."""
    if len(url) > URL_CHARS_MAX:
        raise _invalid(f"it has {len(url)} characters, more than {URL_CHARS_MAX}")
    if not url.isascii() or any(c <= " " or c in "\x7f\\" for c in url):
        raise _invalid("it has blanks, backslashes or characters that are not ASCII")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise _invalid(str(error)) from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise _invalid("it does not begin with http:// or https:// and a host")
    if parts.username is not None or parts.password is not None:
        raise _invalid("it has a user name or password in it")
    if parts.fragment or port == 0:
        raise _invalid("it has a fragment or the port 0")
    query = f"?{parts.query}" if parts.query else ""
    default = _PORTS[parts.scheme]
    return Target(parts.scheme, parts.hostname, port or default, (parts.path or "/") + query)


def resolve(target: Target, *, may_be_private: bool) -> list[str]:
    """Addresses to connect to, best first. `Invalid` for a name that has none, `NotAllowed` when
    none of them may be reached."""
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        told = getattr(error, "strerror", None) or str(error)
        raise Invalid(
            f"the host {target.host!r} is not found: {told}", field="url", hint="check its spelling"
        ) from None
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = [one for one in addresses if may_be_private or is_public(one)]
    if not allowed:
        raise NotAllowed(
            f"{target.host!r} is {addresses[0]}, an address inside this machine or its network",
            code="private_address",
            field="url",
            hint="use a public address, or start the server with --webhooks-to-private-addresses",
        )
    return allowed


def is_public(text: str) -> bool:
    """Whether an address is one of the open internet, in whatever clothes it comes."""
    try:
        address = _undressed(ip_address(text))
    except ValueError:  # such as an address with a zone that Python cannot read
        return False
    if isinstance(address, IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not address.is_multicast


def _undressed(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour
    if inner is None and address in _NAT64:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
    return inner or address


def _invalid(reason: str) -> Invalid:
    return Invalid(
        f"the URL cannot be used: {reason}",
        field="url",
        hint="write it like https://example.org/hooks/quarterdeck",
    )
