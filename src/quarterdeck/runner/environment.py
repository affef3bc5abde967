"""The environment of each rank: the field's own names for rendezvous, ours for the rest."""

from __future__ import annotations

import os

from .processes import MARK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterable


def inherited(hidden: Iterable[str] = ()) -> dict[str, str]:
    """What the launcher was started with, less everything that is Quarterdeck's own, or begins
    with what is to be hidden."""
    begins = ("QD_", *hidden)
    return {name: text for name, text in os.environ.items() if not name.startswith(begins)}


class DevicesMissing(Exception):
    """Whoever gave us this node gave fewer of its devices than the order counts on."""


def visible_devices(order: dict[str, Any]) -> list[str]:
    """What CUDA is told: the devices of the order, or where they are named by whoever gave us this
    node, all of those, or the ones at the order's places among them."""
    if not order.get("devices_from"):
        devices: list[str] = order["devices"]
        return devices
    given = os.environ.get(order["devices_from"], "").split(",")
    if order.get("device_places") is None:
        return given
    places: list[int] = order["device_places"]
    if any(place >= len(given) or not given[place] for place in places):
        raise DevicesMissing(
            "it was granted GPU %s of %s, where the cluster gave us only %s=%s"
            % (max(places), order["node"], order["devices_from"], ",".join(given))
        )
    return [given[place] for place in places]


def make_environment(
    order: dict[str, Any], local_rank: int, peers: list[dict[str, Any]], places: dict[str, str]
) -> dict[str, str]:
    """All variables of one rank. `places`: the variables that name files of the replica. A rank
    that runs as another account, or in an image, inherits nothing of ours."""
    per_node = order["ranks_per_node"]
    place, own = find_place(order), own_peers(order, peers)
    first = own[0]
    is_elsewhere = order.get("account") or order.get("image")
    environment = {} if is_elsewhere else inherited(order.get("env_hidden") or ())
    devices = ",".join(visible_devices(order))
    environment.update(order["env"])
    environment.update(
        {
            "MASTER_ADDR": first["address"],
            "MASTER_PORT": str(first["port"]),
            "WORLD_SIZE": str(place["size"] * per_node),
            "RANK": str((order["node_rank"] - place["first"]) * per_node + local_rank),
            "LOCAL_RANK": str(local_rank),
            "LOCAL_WORLD_SIZE": str(per_node),
            "QD_JOB_ID": order["job_id"],
            "QD_ATTEMPT": str(order["attempt"]),
            "QD_NODE_RANK": str(order["node_rank"] - place["first"]),
            "QD_NNODES": str(place["size"]),
            "QD_NODE": order["node"],
            "QD_GPUS_PER_NODE": str(len(order["devices"])),
            "QD_RESULTS": order["results_dir"],
            "QD_CHECKPOINT": order["checkpoint_dir"],
            "CUDA_VISIBLE_DEVICES": devices,
            MARK: make_mark(order),
        }
    )
    nics = order.get("nics") or []
    if nics:
        environment["QD_NICS"] = ",".join(nics)
    if nics and not order.get("pretend"):
        # With "=" NCCL takes exactly these, not all whose names begin so.
        environment.setdefault("NCCL_IB_HCA", "=" + ",".join(nics))
    if order.get("roles"):
        environment["QD_ROLE"] = order["role"]
        for role in order["roles"]:
            named = "QD_PEERS_" + role["name"].upper().replace("-", "_")
            environment[named] = ",".join(_addresses(_peers_of(role, peers)))
    environment.update(places)
    if order.get("inside"):
        # Last, so that nothing of the job's own is hidden by it.
        found = [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
        environment["PYTHONPATH"] = os.pathsep.join([*found, order["inside"]])
    task = order.get("task")
    if task is not None:
        environment.update(
            {"QD_TASK_INDEX": str(task["index"]), "QD_TASK_COUNT": str(task["count"])}
        )
    return environment


def find_place(order: dict[str, Any]) -> dict[str, Any]:
    """The replicas of the order's role: `size` of them from the node rank `first` on."""
    for role in order.get("roles") or []:
        if role["name"] == order["role"]:
            found: dict[str, Any] = role
            return found
    return {"first": 0, "size": order["nnodes"]}


def own_peers(order: dict[str, Any], peers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of the same role, which are a world of their own."""
    return _peers_of(find_place(order), peers)


def _peers_of(role: dict[str, Any], peers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return peers[role["first"] : role["first"] + role["size"]]


def _addresses(peers: list[dict[str, Any]]) -> list[str]:
    """Each with a port that is free when the command starts, in the order of their ranks."""
    return [
        ("[%s]:%d" if ":" in peer["address"] else "%s:%d") % (peer["address"], peer["port"])
        for peer in peers
    ]


def make_mark(order: dict[str, Any]) -> str:
    """What tells this replica's processes from all others, also of another home."""
    return "%s/%s/%d/%d" % (
        order["home_id"],
        order["job_id"],
        order["attempt"],
        order["node_rank"],
    )


def write_hostfile(path: str, peers: list[dict[str, Any]], slots: int) -> None:
    """One line per node, in the form that Open MPI and DeepSpeed read."""
    with open(path, "w") as stream:
        stream.writelines("%s slots=%d\n" % (peer["host"], slots) for peer in peers)
