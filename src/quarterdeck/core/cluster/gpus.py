"""Which GPUs a person asks for, as one line of a job file.

`8` or `A100:8`, `A100|H100:4` (either, the first if there is room), `40GB..:2` (with at least so
much memory), `20GB` (the smallest slice with so much, or a whole GPU), `mig-1g.10gb:3` (so many
slices of a profile), `share-25%:1` (a part of a GPU's time, which nobody enforces).
"""

from __future__ import annotations

import re
from typing import Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.demand import GpuUnit, Resources
from quarterdeck.core.cluster.mig import is_profile

_UNITS: Final = {
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_COUNTED: Final = re.compile(r"(?P<kind>.*?)(?::\s*(?P<count>[0-9]{1,9}))?", re.ASCII)
_MEMORY: Final = re.compile(
    r"(?P<size>[0-9]{1,6}(?:\.[0-9]{1,3})?)\s*(?P<unit>[MGT]i?B)(?P<more>\.\.)?",
    re.ASCII | re.IGNORECASE,
)
_SHARE: Final = re.compile(r"share-(?P<percent>[1-9][0-9]?)%", re.ASCII)
_MODEL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}", re.ASCII)
HINT: Final = (
    "write a number, or what and how many: A100:8, A100|H100:4, 40GB..:2, 20GB, mig-1g.10gb:3, "
    "share-25%"
)


def parse_gpus(text: str, field: str = "resources.gpu") -> Resources:
    """The GPUs that a line asks for, with nothing else. `Invalid` for any other text."""
    match = _COUNTED.fullmatch(text.strip())
    kind = match["kind"].strip() if match is not None else ""
    if match is not None and re.fullmatch(r"[0-9]{1,9}", kind) and match["count"] is None:
        return Resources(int(kind))
    count = int(match["count"] or 1) if match is not None else 0
    found = _of_kind(kind, count) if count > 0 else None
    if found is None:
        shown = ascii(text) if len(text) <= 80 else f"{text[:77]!a}…"
        raise Invalid(f"{field} is {shown}", field=field, hint=HINT)
    return found


def _of_kind(kind: str, count: int) -> Resources | None:
    if kind.casefold().startswith("mig-"):
        profile = kind[4:].casefold()
        if not is_profile(profile):
            return None
        return Resources(count, gpu_unit=GpuUnit.SLICE, gpu_profile=profile)
    if match := _SHARE.fullmatch(kind):
        return Resources(count, gpu_unit=GpuUnit.SHARE, gpu_percent=int(match["percent"]))
    if match := _MEMORY.fullmatch(kind):
        size_bytes = round(float(match["size"]) * _UNITS[match["unit"].upper()])
        if size_bytes <= 0:
            return None
        unit = GpuUnit.WHOLE if match["more"] else GpuUnit.SLICE
        return Resources(count, gpu_memory_bytes=size_bytes, gpu_unit=unit)
    models = [model.strip() for model in kind.split("|")]
    if len(models) > 8 or any(_MODEL.fullmatch(model) is None for model in models):
        return None
    return Resources(count, "|".join(models))


def format_gpus(wanted: Resources) -> str:
    """The line that `parse_gpus` makes these GPUs of."""
    return f"{wanted.gpu_kind}:{wanted.gpus}" if wanted.gpu_kind else str(wanted.gpus)
