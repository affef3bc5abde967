"""What this machine has, and how busy it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from quarterdeck.core.cluster.hardware import Device


class Gauge(Protocol):
    """The GPUs of one machine. A machine without any is no error: it has an empty tuple."""

    def list_devices(self) -> tuple[Device, ...]:
        """Its GPUs by UUID, in the driver's order."""
        ...
