"""How Slurm's GPUs are named in our plan, and asked for again."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.engines.slurm.gpus import NodeGpus, read_gpus
from quarterdeck.adapters.engines.slurm.records import Gres
from quarterdeck.adapters.sites.catalogue import load_catalogue
from tests.spec.adapters.slurm.makers import indexed

ANY = read_gpus("n1", (Gres("gpu", "", 4),))
TYPED = read_gpus("n1", (Gres("gpu", "h100", 2), Gres("gpu", "a100", 2), Gres("nic", "x", 1)))
EACH = read_gpus("n1", indexed(2, 0, 10, 1))


def test_a_node_has_its_gpus_in_slurms_order() -> None:
    assert ANY.types == ("",) * 4
    assert TYPED.types == ("h100", "h100", "a100", "a100")
    assert EACH.types == ("i0", "i1", "i2", "i10")
    assert read_gpus("n1", ()) == NodeGpus("n1")


def test_single_ones_can_be_asked_for_where_each_has_a_type_of_its_own() -> None:
    assert EACH.are_exact
    assert not any(gpus.are_exact for gpus in (ANY, TYPED, NodeGpus("n1")))
    assert not read_gpus("n1", (*indexed(0, 1), Gres("gpu", "h100", 1))).are_exact


@pytest.mark.parametrize(
    ("gpus", "indices", "asked"),
    [
        (ANY, (3, 0), "gpu:2"),
        (TYPED, (0, 1), "gpu:h100:2"),
        (TYPED, (1, 2), "gpu:h100:1,gpu:a100:1"),
        (EACH, (1, 3), "gpu:i1:1,gpu:i10:1"),
        (EACH, (), ""),
    ],
)
def test_a_grant_in_the_words_of_gres(gpus: NodeGpus, indices: list[int], asked: str) -> None:
    devices = [gpus.id_of(index) for index in indices]
    assert gpus.ask_for(devices) == asked
    assert [gpus.index_of(device) for device in devices] == list(indices)


def test_a_node_with_a_name_like_a_gpu() -> None:
    gpus = read_gpus("n1-gpu1", (Gres("gpu", "", 12),))
    assert gpus.id_of(11) == "n1-gpu1-gpu11"
    assert gpus.index_of("n1-gpu1-gpu11") == 11


@pytest.mark.parametrize(
    ("kind", "model", "memory_gb"),
    [
        ("h100", "H100", 80),
        ("nvidia_h100_80gb_hbm3", "H100", 80),
        ("a100-sxm4-40gb", "A100", 40),
        ("mi300x", "MI300X", 192),
        ("gh200", "GH200", 96),
        ("t4", "T4", 16),
        ("quadro", "quadro", 0),
        ("", "gpu", 0),
        ("i3", "gpu", 0),
    ],
)
def test_model_and_memory_by_the_type(kind: str, model: str, memory_gb: int) -> None:
    (device,) = read_gpus("n1", (Gres("gpu", kind, 1),)).devices(None)
    assert (device.id, device.model) == ("n1-gpu0", model)
    assert device.memory_bytes == memory_gb * 10**9


def test_the_sites_own_word_on_its_hardware_counts_more() -> None:
    hardware = load_catalogue()["dgx-h100"]
    devices = EACH.devices(hardware)
    assert {device.model for device in devices} == {hardware.gpu_model}
    assert {device.memory_bytes for device in devices} == {hardware.gpu_memory_bytes}
