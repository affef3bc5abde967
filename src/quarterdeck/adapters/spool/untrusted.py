"""What lies in folders that jobs can write, and so may be anything: read with that in mind.

On a cluster a job has the server's account. Whatever it puts in the place of our files must cost
nobody else anything: no engine may stop at it, and nothing of it may be passed on that is not of
the kind that was asked for.
"""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.spool.plain import LEVELS, open_plain
from quarterdeck.basics.ids import JobId
from quarterdeck.ports.engine import AttemptRef

if TYPE_CHECKING:
    from pathlib import Path

ORDER_BYTES_MAX: Final = 128 * 2**20
"""An order lists all files of a work folder, 100,000 at most."""
WORD_BYTES_MAX: Final = 2**16
TEXT_CHARS_MAX: Final = 4000
WHOLE_MAX: Final = 2**63 - 1
_JOB: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_NUMBER: Final = re.compile(r"[0-9]{1,9}", re.ASCII)


class Garbled(Exception):
    """A file is not what we write there; the message says which, for people."""


def load_json(
    path: Path, *, bytes_max: int = WORD_BYTES_MAX, levels: int = LEVELS
) -> dict[str, Any] | None:
    """The mapping in a file, None where there is no plain one. `Garbled` if it holds no such."""
    try:
        with open_plain(path, levels) as stream:
            content = stream.read(bytes_max + 1)
    except FileNotFoundError:
        return None
    except PermissionError:
        raise Garbled(f"its {path.name} cannot be read any more") from None
    if len(content) > bytes_max:
        raise Garbled(f"its {path.name} is larger than {bytes_max} bytes")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise Garbled(f"its {path.name} is no JSON") from None
    if not isinstance(found, dict):
        raise Garbled(f"its {path.name} is no mapping")
    return found


def parse_ref(job: str, attempt: str) -> AttemptRef | None:
    """The attempt of the folders with these names; None if they are no such folders."""
    if _JOB.fullmatch(job) is None or not is_number(attempt):
        return None
    return AttemptRef(JobId(job), int(attempt))


def is_number(text: str) -> bool:
    """Whether it is a number as folders are named."""
    return _NUMBER.fullmatch(text) is not None


def as_text(value: object, chars_max: int = TEXT_CHARS_MAX) -> str:
    """The value as text that can be kept and shown: not too long, without what is no character."""
    text = value if isinstance(value, str) else "" if value is None else str(value)[:chars_max]
    text = text[:chars_max].encode(errors="replace").decode()
    return text.replace("\0", "?")


def as_whole(value: object, most: int = WHOLE_MAX) -> int | None:
    """A whole number from 0 on; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None


def as_span(value: object) -> float | None:
    """Seconds; None for what are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= WHOLE_MAX and math.isfinite(value) else None
