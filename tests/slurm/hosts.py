"""A network of its own for each node: a namespace with one address, all on one bridge.

The bridge is in a namespace too, so nothing of this machine's network is touched. `nsenter` goes
in, not `ip netns exec`: that mounts a new /sys, in which /sys/fs/cgroup is missing.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

from tests.slurm.config import HUB, HUB_ADDRESS, ClusterOptions, address_of

NAMESPACES = Path("/run/netns")
# A name for this host, this list of hosts, and then the daemon.
ENTER = 'hostname "$1"; mount --bind "$2" /etc/hosts; shift 2; exec "$@"'


class Hosts:
    """The namespaces of one cluster; `tag` makes their names its own."""

    def __init__(self, folder: Path, options: ClusterOptions, tag: str) -> None:
        self._list = folder / "hosts"
        self._options = options
        self._tag = tag
        self._names: list[str] = []

    def make(self) -> None:
        """All of them, with links that are up."""
        lines = ["127.0.0.1 localhost", f"{HUB_ADDRESS} {HUB}"]
        hub = self._add(HUB)
        _ip("-n", hub, "link", "add", "br0", "type", "bridge")
        _ip("-n", hub, "addr", "add", f"{HUB_ADDRESS}/16", "dev", "br0")
        _ip("-n", hub, "link", "set", "br0", "up")
        for number, name in enumerate(self._options.names):
            space, address = self._add(name), address_of(self._options, number)
            _ip(
                *("-n", hub, "link", "add", f"v-{name}", "type", "veth"),
                *("peer", "name", "eth0", "netns", space),
            )
            _ip("-n", hub, "link", "set", f"v-{name}", "master", "br0", "up")
            _ip("-n", space, "addr", "add", f"{address}/16", "dev", "eth0")
            _ip("-n", space, "link", "set", "eth0", "up")
            lines.append(f"{address} {name}")
        self._list.write_text("\n".join(lines) + "\n")

    def drop(self) -> None:
        """None of them is left."""
        for space in self._names:
            _ip("netns", "del", space)
        self._names.clear()

    def inside(self, name: str) -> tuple[str, ...]:
        """What to put before a daemon's command, so that it runs on this host."""
        mounts = ("unshare", "--uts", "--mount", "sh", "-c", ENTER, "-", name, str(self._list))
        return (*self.near(name), *mounts)

    def near(self, name: str = HUB) -> tuple[str, ...]:
        """What to put before a client's command: the host's network, and nothing else."""
        return ("nsenter", f"--net={NAMESPACES / self._space(name)}")

    def set_link(self, name: str, *, is_up: bool) -> None:
        """Plug a node's cable in or out."""
        _ip("-n", self._space(HUB), "link", "set", f"v-{name}", "up" if is_up else "down")

    def _add(self, name: str) -> str:
        space = self._space(name)
        with suppress(subprocess.CalledProcessError):  # of a run that was killed
            _ip("netns", "del", space)
        _ip("netns", "add", space)
        self._names.append(space)
        _ip("-n", space, "link", "set", "lo", "up")
        return space

    def _space(self, name: str) -> str:
        return f"{self._tag}-{name}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
