"""An entry of a hardware catalogue, as people write it, into a type of nodes.

The catalogue that comes with Quarterdeck and the `hardware` of a site file have the same keys, so
new hardware is data and never code.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, NoReturn, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import parse_bytes
from quarterdeck.core.cluster.hardware import NodeTopology
from quarterdeck.core.cluster.nodetype import FabricShape, NodeType

_DECIMAL: Final = re.compile(r"[0-9]{1,9}\.[0-9]{1,9}", re.ASCII)
_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
GPUS_MAX: Final = 128


def _decimal(value: object) -> object:
    """A decimal number, which the reader of YAML hands on as text."""
    return float(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else value


def _size(value: object) -> object:
    """Bytes of a size with a unit."""
    if not isinstance(value, str):
        raise PydanticCustomError("size", "write a number and a unit, for example 80GiB")
    try:
        return parse_bytes(value, field="memory")
    except Invalid as error:
        raise PydanticCustomError("size", "write a number and a unit, for example 80GiB") from error


Number = Annotated[float, BeforeValidator(_decimal), Field(ge=0, le=100_000, allow_inf_nan=False)]
Size = Annotated[int, BeforeValidator(_size)]
Place = Annotated[int, Field(ge=0, le=1023)]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class GpuEntry(_Written):
    """The GPUs of a type, all of one model."""

    model: str = Field(min_length=1, max_length=64)
    count: int = Field(ge=1, le=GPUS_MAX)
    memory: Size
    mig: bool = False


class FabricEntry(_Written):
    """See `FabricShape`."""

    switch_ports: int = Field(ge=2, le=1024)
    nodes_per_unit: int = Field(ge=1, le=512)
    nodes_per_rack: int = Field(default=1, ge=1, le=128)
    nodes_withheld: int = Field(default=0, ge=0, le=128)


class HardwareEntry(_Written):
    """One type of machine."""

    title: str = Field(default="", max_length=100)
    prefix: str = Field(default="node", pattern=_NAME)
    cpus: int = Field(ge=1, le=65536)
    memory: Size
    power_kw: Number = 0.0
    rack_units: int = Field(default=0, ge=0, le=100)
    gpu: GpuEntry | None = None
    numa: list[Place] = []
    islands: list[Place] = []
    island_gbytes_s: Number = 0.0
    host_gbytes_s: Number = 0.0
    nics: list[Annotated[str, Field(min_length=1, max_length=32)]] = []
    nic_gbytes_s: Number = 0.0
    rails: list[Place] = []
    links: list[list[Number]] = []
    fabric: FabricEntry | None = None
    source: str = Field(default="", max_length=500)

    @model_validator(mode="after")
    def _one_for_each_gpu(self) -> Self:
        count = self.gpu.count if self.gpu is not None else 0
        for name in ("numa", "islands", "nics", "rails", "links"):
            found = len(getattr(self, name))
            if found not in (0, count):
                _disagree(f"{name} has {found} entries for {count} GPUs")
        for a, row in enumerate(self.links):
            if len(row) != count:
                _disagree(f"row {a + 1} of links has {len(row)} numbers for {count} GPUs")
        for a, row in enumerate(self.links):
            for b in range(a):
                if row[b] != self.links[b][a]:
                    _disagree(f"links are {row[b]:g} one way between GPUs {b} and {a}, not back")
        return self

    def to_type(self, name: str) -> NodeType:
        """The type of nodes that it describes."""
        gpu = self.gpu
        fabric = self.fabric
        return NodeType(
            name=name,
            cpus=self.cpus,
            memory_bytes=self.memory,
            gpus=gpu.count if gpu is not None else 0,
            gpu_model=gpu.model if gpu is not None else "",
            gpu_memory_bytes=gpu.memory if gpu is not None else 0,
            topology=self._topology(),
            has_mig=gpu is not None and gpu.mig,
            power_w=round(self.power_kw * 1000),
            rack_units=self.rack_units,
            prefix=self.prefix,
            title=self.title,
            fabric=FabricShape(**fabric.model_dump()) if fabric is not None else None,
            source=self.source,
        )

    def _topology(self) -> NodeTopology | None:
        if self.gpu is None:
            return None
        return NodeTopology(
            numa=tuple(self.numa),
            islands=tuple(self.islands),
            island_gbytes_s=self.island_gbytes_s,
            host_gbytes_s=self.host_gbytes_s,
            nics=tuple(self.nics),
            nic_gbytes_s=self.nic_gbytes_s,
            rails=tuple(self.rails),
            links=tuple(tuple(row) for row in self.links),
        )


def _disagree(told: str) -> NoReturn:
    raise PydanticCustomError("disagree", "{told}", {"told": told})
