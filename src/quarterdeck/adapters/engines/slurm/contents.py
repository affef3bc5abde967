"""What runners on a cluster's nodes are told: their orders, and where all that they need lies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.spool.carried import carry_runner
from quarterdeck.adapters.spool.doors import make_door
from quarterdeck.adapters.spool.inside import make_inside
from quarterdeck.adapters.spool.orders import make_order, make_snapshot

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.ports.engine import LaunchOrder

HIDDEN: Final = ("SLURM_", "SBATCH_", "SRUN_", "SLURMD_", "SALLOC_", "PMI", "PMIX")
"""Of the environment: frameworks that find these take over the launch, and launch it twice."""
DEVICES: Final = "CUDA_VISIBLE_DEVICES"
SKEW_S_MAX: Final = 60.0
LOOK_S: Final = 0.5
"""How often a runner looks for word from us, as nobody can poke it from another machine."""
LOOK_OF_GANG_S: Final = 0.1
"""Each of a gang waits for all others to stand."""


class Contents:
    """Makes the orders of a site. `runner` is the runner's folder that its nodes see."""

    def __init__(self, paths: SitePaths, home_id: str, blobs: FilesystemBlobs) -> None:
        self._paths = paths
        self._home_id = home_id
        self._blobs = blobs
        self._inside = make_inside(paths)
        self.runner = carry_runner(paths)

    def make(
        self,
        order: LaunchOrder,
        nodes: Mapping[str, Node],
        time_limit_s: float | None,
        places: Sequence[Sequence[int]] | None = None,
    ) -> list[dict[str, Any]]:
        """One for each replica. `places`: which of the devices that the cluster gave us there each
        has; None: all of them."""
        beside = {
            "snapshot": make_snapshot(order.spec.snapshot, self._blobs),
            "blobs_dir": str(self._blobs.root),
            "inside": str(self._inside),
            "news": str(self._paths.news),
            "look_s": LOOK_S if len(order.grants) == 1 else LOOK_OF_GANG_S,
            "is_kept": True,
            "skew_s_max": SKEW_S_MAX,
            "env_hidden": HIDDEN,
            "devices_from": DEVICES if places or order.grants[0].devices else None,
            "time_limit_s": time_limit_s,
        }
        contents = []
        for rank, grant in enumerate(order.grants):
            content = make_order(order, rank, nodes[grant.node], self._home_id, self._paths)
            content |= beside
            if places is not None:
                content["device_places"] = list(places[rank])
            contents.append(make_door(self._paths.replica(order.ref, rank), content))
        return contents
