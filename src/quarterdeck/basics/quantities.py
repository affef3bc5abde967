"""Quantities with units as people write them: `64GiB`, `20GB`, `30s`, `1-00:00:00`.

Bytes follow IEC 80000-13: `KiB MiB GiB TiB` are powers of 1024, `kB MB GB TB` powers of 1000.
A bare number is refused, because nobody agrees on what `memory: 64` means.
Durations accept `90s`, `10m`, `2h`, `1d`, sums such as `1h30m`, and Slurm's `[D-]HH:MM:SS`.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from quarterdeck.basics.errors import Invalid

_BYTE_UNITS: Final = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
    "TIB": 2**40,
}
_BYTES = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]+)\s*", re.ASCII)
_SPAN_PARTS = re.compile(r"(\d{1,12}(?:\.\d{1,9})?)\s*([dhms])", re.ASCII)
_SPAN = re.compile(r"(?:\d{1,12}(?:\.\d{1,9})?\s*[dhms]\s*)+", re.ASCII)
_CLOCK = re.compile(r"(?:(\d{1,6})-)?(\d{1,2}):(\d{2}):(\d{2})", re.ASCII)
_SECONDS: Final = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}

GIB: Final = 2**30
BYTES_MAX: Final = 2**60
SPAN_S_MAX: Final = 10 * 366 * 86400.0


def parse_bytes(text: str, *, field: str) -> int:
    """Bytes from text with a unit, for example `64GiB` or `20GB`."""
    match = _BYTES.fullmatch(text)
    unit = _BYTE_UNITS.get(match[2].upper()) if match else None
    if match is None or unit is None:
        raise Invalid(
            f"{field} is {text!r}, which is not a size with a unit",
            field=field,
            hint="write a number and a unit, for example 64GiB or 500MB",
        )
    number = match[1]
    size = int(float(number) * unit) if "." in number else int(number) * unit
    if not 0 < size <= BYTES_MAX:
        raise Invalid(
            f"{field} is {text!r}; sizes go from 1B to {BYTES_MAX // 2**40}TiB",
            field=field,
            hint="check the unit",
        )
    return size


def format_bytes(size_bytes: int) -> str:
    """A size in the largest IEC unit that keeps it readable, for example `1.5GiB`."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.4g}{unit}"
        value /= 1024
    return f"{value:.4g}TiB"


@lru_cache(maxsize=1024)
def parse_span_s(text: str, *, field: str) -> float:
    """Seconds from a duration such as `30s`, `1h30m` or `1-00:00:00`."""
    stripped = text.strip()
    clock = _CLOCK.fullmatch(stripped)
    if clock is not None:
        days, hours, minutes, seconds = (int(part or 0) for part in clock.groups())
        span_s = float(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
    elif _SPAN.fullmatch(stripped):
        span_s = sum(float(n) * _SECONDS[unit] for n, unit in _SPAN_PARTS.findall(stripped))
    else:
        raise Invalid(
            f"{field} is {text!r}, which is not a duration with a unit",
            field=field,
            hint="write for example 30s, 10m, 2h, 1h30m or 1-00:00:00",
        )
    if span_s > SPAN_S_MAX:
        raise Invalid(
            f"{field} is {text!r}; durations go up to ten years", field=field, hint="check the unit"
        )
    return span_s


def format_span(span_s: float) -> str:
    """A duration for people: `850ms`, `12s`, `3m05s`, `2h04m`, `3d02h`."""
    if span_s < 1:
        return f"{span_s * 1000:.0f}ms"
    seconds = int(span_s)
    if seconds < 60:
        return f"{seconds}s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes}m{seconds:02d}s"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours}h{minutes:02d}m"
    days, hours = divmod(hours, 24)
    return f"{days}d{hours:02d}h"
