"""Keeps what was measured in the docs: each part between two marks, with date and machine."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).parent.parent / "docs" / "benchmarks.md"


def keep(name: str, text: str, docs: Path = DOCS) -> None:
    """Replace what is between the marks of this name. What has no marks there yet is a mistake."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    head, begun, rest = docs.read_text(encoding="utf-8").partition(start)
    _, ended, tail = rest.partition(end)
    if not (begun and ended):
        raise ValueError(f"{docs.name} has no {start.strip()} … {end}")
    when = datetime.now(UTC).strftime("%Y-%m-%d")
    machine = f"{os.cpu_count()} CPUs, Python {platform.python_version()}, Linux"
    kept = f"{head}{start}Measured on {when} ({machine}):\n\n{text}\n\n{end}{tail}"
    docs.write_text(kept, encoding="utf-8")
