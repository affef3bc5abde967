"""One real server for all attacks of a module, with a job that has ended and left results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.e2e.deck import Deck
from tests.security.wire import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

GENEROUS = ("--limit", "refusals-burst=1000000")
"""Attacks are refused more often than the limit of refusals lets any."""
LEAVINGS = """
mkdir -p "$QD_RESULTS/sub"; echo fine > "$QD_RESULTS/sub/out.txt"
ln -s /etc/passwd "$QD_RESULTS/link"; ln -s / "$QD_RESULTS/root"; mkfifo "$QD_RESULTS/pipe"
echo '<script>alert(1)</script>' > "$QD_RESULTS/page.html"
echo '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>' > "$QD_RESULTS/picture.svg"
printf 'import os' > "$QD_RESULTS/$(printf 'a\\033]0;owned\\007\\rX-Evil: 1.py')"
echo '<img src=x onerror=alert(1)>'; printf '\\033]0;owned\\007\\n'
"""


@pytest.fixture(scope="module")
def deck(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deck]:
    """A home with a server."""
    made = Deck(tmp_path_factory.mktemp("attacked") / "home")
    try:
        made.up("--pretend", "dgx-a100:2", *GENEROUS, "--no-webhooks-to-private-addresses")
        yield made
    finally:
        made.end()


@pytest.fixture(scope="module")
def server(deck: Deck) -> Address:
    """Where it listens."""
    return address_of(deck)


@pytest.fixture(scope="module")
def job_id(deck: Deck) -> str:
    """A job that has left files of bad names and kinds, and a log of the same sort."""
    job_id = deck.run(LEAVINGS)
    assert deck.qd("wait", job_id).returncode == 0
    return job_id


def address_of(deck: Deck) -> Address:
    """The server of a deck, to be asked by hand."""
    told = json.loads((deck.home / "server.json").read_text())
    port = urlsplit(told["url"]).port
    assert port is not None
    return Address(port, (deck.home / "token").read_text().strip())
