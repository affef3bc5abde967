"""A URL from outside does not lead inside."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.notifiers.addresses import is_public, parse_url, resolve
from quarterdeck.basics.errors import Invalid, NotAllowed

INSIDE = [
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1",
    "169.254.169.254", "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1",
    "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::1",
    "2001:db8::1", "2001::1", "localhost", "",
]  # fmt: skip
OUTSIDE = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_not_public_in_any_clothes(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_of_the_open_internet_is(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0", "[::1]",
     "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"],
)  # fmt: skip
def test_a_host_inside_is_refused_however_it_is_written(host: str) -> None:
    target = parse_url(f"http://{host}:8000/x")
    with pytest.raises((NotAllowed, Invalid)) as refused:
        resolve(target, may_be_private=False)
    assert refused.value.field == "url"


def test_a_host_inside_is_fine_where_the_server_says_so() -> None:
    assert resolve(parse_url("http://127.0.0.1:8000/"), may_be_private=True) == ["127.0.0.1"]


def test_a_name_that_nobody_knows_is_refused() -> None:
    with pytest.raises(Invalid, match="not found"):
        resolve(parse_url("http://no-such-host.invalid/"), may_be_private=True)


@pytest.mark.parametrize(
    "url",
    ["", "example.org", "ftp://example.org/", "file:///etc/passwd", "http://", "http:///x",
     "http://user:secret@example.org/", "http://user@example.org/", "http://example.org/#x",
     "http://example.org:0/", "http://example.org:99999/", "http://example.org:x/",
     "http://example.org/a b", "http://example.org/\r\nX: y", "http://example.org\\@evil/",
     "http://ex\tample.org/", "http://[::1/", "http://exämple.org/",
     "http://example.org/" + "x" * 3000],
)  # fmt: skip
def test_a_url_that_nothing_can_be_sent_to_is_invalid(url: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_url(url)
    assert refused.value.field == "url"


@pytest.mark.parametrize(
    ("url", "authority", "path", "port"),
    [
        ("http://example.org", "example.org", "/", 80),
        ("https://Example.org/a?b=c%20d", "example.org", "/a?b=c%20d", 443),
        ("http://example.org:8080/a", "example.org:8080", "/a", 8080),
        ("https://[2606:4700::1]:444/?x", "[2606:4700::1]:444", "/?x", 444),
        ("https://[2606:4700::1]:443/", "[2606:4700::1]", "/", 443),
    ],
)
def test_a_url_is_taken_apart(url: str, authority: str, path: str, port: int) -> None:
    target = parse_url(url)
    assert (target.authority, target.path, target.port) == (authority, path, port)
