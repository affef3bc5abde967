"""What `qd up` was told, checked before anything is started."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from quarterdeck.adapters.disk.filesystem import BALLAST_BYTES
from quarterdeck.api.limits import DoorLimits
from quarterdeck.basics.errors import Refused
from quarterdeck.core.retention.rules import Retention

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Settings:
    """One server's settings. Without `has_local` no job runs on this machine, only at connected
    sites. `pretend` is `SHAPE:N`, `site` a site file whose nodes are
    pretended; without either it is this machine's own hardware. `disk_reserve_bytes` None: the
    larger of 256 MiB and one percent."""

    home: Path
    host: str = "127.0.0.1"
    port: int = 0
    pretend: str | None = None
    has_local: bool = True
    site: Path | None = None
    store: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    behind_proxy: bool = False
    allowed_hosts: frozenset[str] = frozenset()
    webhooks_to_private_addresses: bool | None = None
    retention: Retention = field(default_factory=Retention)
    disk_reserve_bytes: int | None = None
    ballast_bytes: int = BALLAST_BYTES
    limits: DoorLimits = field(default_factory=DoorLimits)
    launcher: Path | None = None
    jobs_folder: Path | None = None

    def __post_init__(self) -> None:
        """Refuse to listen where the token could be read off the wire."""
        if self.pretend is not None and self.site is not None:
            raise Refused(
                "--pretend and --site both say which nodes there are",
                field="site",
                hint="give one of them",
            )
        if not self.has_local and (self.pretend is not None or self.site is not None):
            raise Refused(
                "--no-local says that no job runs here, and --pretend or --site that some do",
                field="local",
                hint="leave one of them out",
            )
        if (self.tls_cert is None) != (self.tls_key is None):
            raise Refused(
                "one of --tls-cert and --tls-key is given without the other",
                field="tls_cert",
                hint="give both, or neither",
            )
        for name, path in (("tls_cert", self.tls_cert), ("tls_key", self.tls_key)):
            if path is not None and not path.is_file():
                raise Refused(f"{path} is not a file", field=name, hint="give a PEM file")
        if not self.is_loopback and self.tls_cert is None and not self.behind_proxy:
            raise Refused(
                f"--host {self.host} is not a loopback address, and without TLS everybody on the "
                "way could read the token",
                code="unsafe_listener",
                field="host",
                hint="give --tls-cert and --tls-key, or --behind-proxy if a proxy in front of it "
                "speaks TLS, or keep 127.0.0.1 and use an SSH tunnel",
            )

        self._check_accounts()

    def _check_accounts(self) -> None:
        """Other accounts may enter the folders of jobs, but never the home."""
        if self.launcher is not None and self.jobs_folder is None:
            raise Refused(
                "with --launcher, jobs need folders which other accounts can reach",
                field="jobs_folder",
                hint="give --jobs-folder, a folder outside of the home",
            )
        if self.jobs_folder is not None and self.jobs_folder.is_relative_to(self.home):
            raise Refused(
                f"{self.jobs_folder} lies in the home {self.home}, which is nobody else's",
                field="jobs_folder",
                hint="give a folder outside of it",
            )

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the listener."""
        if self.host in LOOPBACK_NAMES:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def webhooks_may_be_private(self) -> bool:
        """Whether webhooks may lead to this machine and its network. Unless said otherwise they may
        where only people of this machine can ask for one."""
        if self.webhooks_to_private_addresses is not None:
            return self.webhooks_to_private_addresses
        return self.is_private

    @property
    def is_private(self) -> bool:
        """Whether only people of this machine can ask: then who can read the home owns it."""
        return self.is_loopback and not self.behind_proxy

    @property
    def scheme(self) -> str:
        """`https` with TLS of our own."""
        return "https" if self.tls_cert is not None else "http"
