"""Where a replica's ranks run: beside the runner, as an account, in an image, or set apart.

Whatever ranks there are, the replica treats them alike. What they need of the replica's folder is
put where they can reach it.
"""

from __future__ import annotations

import os

from .environment import find_place
from .ranks import Ranks
from .refusals import NotEnclosed
from .spool import SHOWN, Spool

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

METRICS = "metrics"
"""A folder of the replica's: what the command measures."""


def make_ranks(order: dict[str, Any], spool: Spool) -> Ranks:
    """The ranks to be, with all folders that they write into made theirs."""
    first = (order["node_rank"] - find_place(order)["first"]) * order["ranks_per_node"]
    metrics = spool.path(METRICS)
    folders = [spool.path("work"), order["results_dir"], order["checkpoint_dir"], metrics]
    if order.get("account"):
        if order.get("image") or order.get("isolate"):
            raise NotEnclosed(
                "`image` and `isolate` are not for jobs that run as the accounts of their owners "
                "(`qd up --launcher`): leave them out"
            )
        from .accounts import Account, AccountRanks

        account = Account(order["account"])
        for folder in folders:
            account.share(folder)
        return AccountRanks(first, account, folders)
    if order.get("image"):
        return _make_image_ranks(first, order, spool, folders)
    if order.get("isolate"):
        from .bubbles import BubbleRanks

        return BubbleRanks(first, order, spool, folders)
    return Ranks(first)


def _make_image_ranks(first: int, order: dict[str, Any], spool: Spool, folders: list[str]) -> Ranks:
    from .means import find_means

    program = find_means(order["image"])
    if os.path.basename(program) == "podman":
        from .containers import ContainerRanks

        return ContainerRanks(first, order, spool, folders, program)
    from .unpacked import UnpackedRanks

    return UnpackedRanks(first, order, spool, folders, program)


def check_alike(peers: list[dict[str, Any]]) -> None:
    """`NotEnclosed` where the nodes of a gang know different images by the same tag."""
    images = {peer["image"]: peer["host"] for peer in peers if peer.get("image")}
    if len(images) > 1:
        (one, here), (other, there) = list(images.items())[:2]
        raise NotEnclosed(
            "its tag is %s on %s and %s on %s: name a digest instead" % (one, here, other, there)
        )


def clear_enclosures(folder: str) -> None:
    """End what encloses a replica's ranks, whatever state it is in; twice is once."""
    from .podman import clear_noted
    from .unpacked import clear_unpacked

    clear_noted(folder)
    clear_unpacked(folder)


def is_enclosed(order: dict[str, Any]) -> bool:
    """Whether the ranks see only what is put there for them."""
    return bool(order.get("image") or order.get("isolate"))


def show(spool: Spool, name: str) -> None:
    """Put a file of the replica's folder where enclosed ranks see it, as it is now."""
    import shutil

    source, target = spool.path(name), spool.path(os.path.join(SHOWN, name))
    try:
        now = os.stat(source)
        if os.path.exists(target) and os.stat(target).st_mtime_ns == now.st_mtime_ns:
            return
        new = target + ".new"
        shutil.copyfile(source, new)
        folder = os.stat(spool.path(SHOWN))
        if os.geteuid() == 0:
            os.chown(new, folder.st_uid, folder.st_gid)
        os.chmod(new, 0o400)
        os.utime(new, ns=(now.st_mtime_ns, now.st_mtime_ns))
        os.rename(new, target)
    except OSError:
        return  # It is not there, or the disk is full: with the next beat, perhaps.
