"""The parts of a connected site, made of what its file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
from quarterdeck.adapters.engines.slurm.engine import SlurmEngine
from quarterdeck.adapters.engines.slurm.settings import SlurmSettings
from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.adapters.spool.paths import SitePaths

if TYPE_CHECKING:
    from quarterdeck.adapters.spool.credentials import Credentials
    from quarterdeck.wiring.connected.entry import SiteEntry


def make_commands(entry: SiteEntry) -> SlurmCommands:
    """Slurm's programs as this site has them."""
    return SlurmCommands(config=entry.slurm_conf, programs=entry.programs)


def make_settings(entry: SiteEntry) -> SlurmSettings:
    """How its Slurm is used."""
    return SlurmSettings(
        partition=entry.partition,
        account=entry.account,
        qos=entry.qos,
        reservation=entry.reservation,
        python=entry.python,
        path=entry.path,
        hardware=load_catalogue()[entry.hardware] if entry.hardware else None,
        silence_s=entry.silence_s,
        patience_s=entry.patience_s,
        poll_s=entry.poll_s,
    )


def make_paths(entry: SiteEntry) -> SitePaths:
    """Where its folders lie: the last one is the site's own, so that several servers can share a
    file system."""
    return SitePaths(entry.folder / entry.name)


def make_blobs(entry: SiteEntry) -> FilesystemBlobs:
    """What its nodes can read of work folders."""
    return FilesystemBlobs(make_paths(entry).root / "blobs")


def make_engine(
    entry: SiteEntry, home_id: str, blobs: FilesystemBlobs, credentials: Credentials | None
) -> SlurmEngine:
    """Its engine. `Unavailable` when its Slurm does not answer."""
    return SlurmEngine(
        make_paths(entry),
        home_id,
        blobs,
        make_commands(entry),
        make_settings(entry),
        credentials,
    )
