"""The keys of a site file, and what their values may be."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError

from quarterdeck.adapters.sites.hardware import HardwareEntry

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
NODE_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$"
_Hosts = Annotated[str, Field(min_length=1, max_length=200_000)]


def _shown(text: str) -> str:
    """A name that a terminal shows and does not obey."""
    if not text.isprintable():
        raise PydanticCustomError("characters", "it has characters that cannot be shown")
    return text


_Spot = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_shown)]


class _Written(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Spots(_Written):
    """Where nodes stand. `racks` are as many as there are nodes or fewer: each takes its share of
    them, in order."""

    names: _Hosts
    rack: _Spot = ""
    racks: Annotated[str, Field(min_length=1, max_length=200_000)] = ""
    unit: _Spot = ""
    pod: _Spot = ""


class Group(Spots):
    """Nodes of one type."""

    type: str
    count: int | None = Field(default=None, ge=1, le=10_000)


class FabricFacts(_Written):
    """The compute fabric; see `core.cluster.fabric`."""

    switch_ports: int = Field(ge=2, le=1024)
    nodes_per_unit: int = Field(ge=1, le=512)
    units: int = Field(ge=1, le=4096)
    rails: int = Field(default=8, ge=1, le=128)
    nodes_withheld: int = Field(default=0, ge=0, le=128)


class SiteFile(_Written):
    """One site."""

    name: str = Field(pattern=NAME)
    country: str = Field(default="", pattern=r"^[A-Z]{2}$")
    region: Annotated[str, Field(max_length=63), AfterValidator(_shown)] = ""
    hardware: dict[Annotated[str, Field(pattern=NAME)], HardwareEntry] = {}
    fabric: FabricFacts | None = None
    nodes: list[Group] = []
    locations: list[Spots] = []
