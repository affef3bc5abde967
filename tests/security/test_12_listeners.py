"""Family 12, Dask CVE-2021-42343: a "local" cluster that listened on every interface."""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Refused
from quarterdeck.wiring.listener import listen
from quarterdeck.wiring.settings import Settings
from tests.e2e.deck import until

if TYPE_CHECKING:
    from tests.e2e.deck import Deck
    from tests.security.wire import Address

LISTENING = "0A"


def listeners() -> dict[str, tuple[str, int]]:
    """Every socket of this machine that listens for TCP, or takes UDP, by inode: where."""
    found = {}
    for name in ("tcp", "tcp6", "udp", "udp6"):
        table = Path(f"/proc/net/{name}")
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            cells = line.split()
            if name.startswith("tcp") and cells[3] != LISTENING:
                continue
            host, port = cells[1].split(":")
            found[cells[9]] = (_address(host), int(port, 16))
    return found


def _address(text: str) -> str:
    raw = bytes.fromhex(text)
    words = [raw[at : at + 4][::-1] for at in range(0, len(raw), 4)]
    return str(ipaddress.ip_address(b"".join(words)))


def sockets_of(pids: set[int]) -> set[str]:
    """Inodes of the sockets that these processes have open."""
    found = set()
    for pid in pids:
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(handle.readlink())
            except OSError:
                continue
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found


def test_every_listener_of_a_server_with_a_job_of_two_ranks_is_on_loopback(
    deck: Deck, server: Address
) -> None:
    job_id = deck.run("--nodes", "2", "exec sleep 600")
    until(lambda: len(deck.processes_of(job_id)) >= 2)
    assert json.loads(server.ask(f"/v1/jobs/{job_id}").body)["nodes"] == 2
    pids = {deck.server_pid(), *deck.launcher_pids(), *deck.runner_pids()}
    pids |= {pid for pid, _ in deck.processes_of(job_id)}
    assert len(pids) >= 6
    every = listeners()
    ours = {inode: every[inode] for inode in sockets_of(pids) & every.keys()}
    assert server.port in {port for _, port in ours.values()}
    for address, port in ours.values():
        assert ipaddress.ip_address(address).is_loopback, (address, port)
    server.ask(f"/v1/jobs/{job_id}/cancel", "POST")


def test_a_name_that_stands_for_another_address_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`localhost` is what /etc/hosts says; what counts is where the socket is."""
    settings = Settings(home=tmp_path, host="localhost")
    monkeypatch.setattr("socket.socket.getsockname", lambda _: ("192.0.2.1", 1))
    with pytest.raises(Refused) as caught:
        listen(settings)
    assert caught.value.code == "unsafe_listener"
    monkeypatch.undo()
    listen(settings).close()
