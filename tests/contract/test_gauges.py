"""Real GPUs and pretended ones look alike."""

from __future__ import annotations

import pytest

from quarterdeck.adapters.gauges.nvml import NvmlGauge
from quarterdeck.adapters.gauges.pretend import parse_pretend
from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hardware import Device


def _check_devices(devices: tuple[Device, ...]) -> None:
    assert len({device.id for device in devices}) == len(devices)
    assert all(device.id.startswith("GPU-") for device in devices)
    assert all(device.memory_bytes > 2**30 for device in devices)
    assert all(device.model and " " not in device.model for device in devices)


@pytest.mark.needs_gpu
def test_nvml_names_gpus_by_uuid_in_a_stable_order() -> None:
    devices = NvmlGauge().list_devices()
    assert devices
    _check_devices(devices)
    assert NvmlGauge().list_devices() == devices


def test_a_machine_without_a_driver_has_no_gpus_and_no_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pynvml = pytest.importorskip("pynvml")

    def no_driver() -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", no_driver)
    assert NvmlGauge().list_devices() == ()


@pytest.mark.parametrize("shape", load_catalogue())
def test_pretended_nodes_are_marked_and_their_devices_unique(shape: str) -> None:
    nodes = parse_pretend(f"{shape}:20")
    assert len({node.name for node in nodes}) == 20
    assert all(node.pretend for node in nodes)
    assert [node.name for node in nodes] == sorted(node.name for node in nodes)
    _check_devices(tuple(device for node in nodes for device in node.devices))


@pytest.mark.parametrize("text", ["", "dgx-a100", "dgx-a100:", "dgx-a100:0", "dgx:2", "cpu:-1"])
def test_a_shape_that_cannot_be_pretended_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        parse_pretend(text)
    assert refused.value.field == "pretend"
    assert ":" in refused.value.hint
