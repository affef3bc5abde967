"""The names of engines that drive connected sites, and what only one of them is told.

Apart from the rest, as `--help` knows them and is quick.
"""

from __future__ import annotations

from typing import Final

PILOT: Final = "slurm-pilot"
ENGINES: Final = ("slurm", PILOT)
NEEDED_BY_PILOT: Final = "nodes_max"
OF_PILOT: Final = (NEEDED_BY_PILOT, "nodes_min", "idle", "hold")
"""Keys of a site's file that only a site with pilots has."""
