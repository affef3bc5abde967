"""The parts of a connected site, made of what its file says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
from quarterdeck.adapters.engines.slurm.engine import SlurmEngine
from quarterdeck.adapters.engines.slurm.pilot_engine import PilotEngine
from quarterdeck.adapters.engines.slurm.settings import PilotSettings, SlurmSettings
from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.wiring.connected.engines import PILOT

if TYPE_CHECKING:
    from pathlib import Path

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


def make_paths(entry: SiteEntry, *hidden: Path) -> SitePaths:
    """Where its folders lie: the last one is the site's own, so that several servers can share a
    file system. `hidden`: what jobs that are set apart must not see either."""
    return SitePaths(entry.folder / entry.name, hidden)


def make_blobs(entry: SiteEntry) -> FilesystemBlobs:
    """What its nodes can read of work folders."""
    return FilesystemBlobs(make_paths(entry).root / "blobs")


def make_engine(
    entry: SiteEntry,
    home: Path,
    home_id: str,
    blobs: FilesystemBlobs,
    credentials: Credentials | None,
) -> SlurmEngine | PilotEngine:
    """Its engine, for the server of this home; also while its Slurm does not answer."""
    paths, commands, settings = make_paths(entry, home), make_commands(entry), make_settings(entry)
    if entry.engine != PILOT:
        return SlurmEngine(paths, home_id, blobs, commands, settings, credentials)
    assert entry.nodes_max is not None  # It is not read without.
    limits = PilotSettings(settings, entry.nodes_max, entry.nodes_min, entry.idle_s, entry.hold_s)
    return PilotEngine(paths, home_id, blobs, commands, limits, credentials)
