"""GPUs through NVML, NVIDIA's management library, by UUID.

NVML: https://docs.nvidia.com/deploy/nvml-api/ (`nvmlDeviceGetUUID`, `nvmlDeviceGetMemoryInfo`).
An index may change with a reboot or a failed board, a UUID does not.
"""

from __future__ import annotations

import logging

import pynvml

from quarterdeck.core.cluster.hardware import Device

log = logging.getLogger(__name__)


class NvmlGauge:
    """A `Gauge` of this machine's NVIDIA GPUs. Without a driver there are none."""

    def list_devices(self) -> tuple[Device, ...]:
        """Whole GPUs in the driver's order."""
        try:
            pynvml.nvmlInit()
        except pynvml.NVMLError as error:
            log.debug("no GPUs: %s", error)
            return ()
        try:
            return tuple(_read_device(index) for index in range(pynvml.nvmlDeviceGetCount()))
        finally:
            pynvml.nvmlShutdown()


def _read_device(index: int) -> Device:
    handle = pynvml.nvmlDeviceGetHandleByIndex(index)
    name = _text(pynvml.nvmlDeviceGetName(handle))
    return Device(
        id=_text(pynvml.nvmlDeviceGetUUID(handle)),
        model=name.removeprefix("NVIDIA ").replace(" ", "-"),
        memory_bytes=int(pynvml.nvmlDeviceGetMemoryInfo(handle).total),
    )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
