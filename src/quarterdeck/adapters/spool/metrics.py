"""Samples of a local site, read from where the jobs' processes wrote them.

The files are written by whatever the job runs, so a line that is no sample is passed over.
"""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from quarterdeck.adapters.spool.plain import LEVELS, open_plain
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.telemetry.curves import Point
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.ports.metrics import Latest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.basics.ids import JobId

FILE_BYTES_MAX: Final = 64 * 2**20
"""Twice what `quarterdeck.job` writes: somebody else may write there, but is not read for ever."""
TAIL_BYTES: Final = 16 * 1024
NAMES_MAX: Final = 1000
_RANK: Final = re.compile(r"rank-([0-9]{1,9})\.jsonl", re.ASCII)
_FAR: Final = 1e300


class SpoolMetrics:
    """A `SiteMetrics` on the site's folders."""

    def __init__(self, paths: SitePaths) -> None:
        self._paths = paths

    def read_points(self, job_id: JobId, attempt: int) -> dict[int, dict[str, list[Point]]]:
        """Every rank's file from its beginning."""
        found = {}
        for rank, path in self._find_files(AttemptRef(job_id, attempt)):
            with _open_samples(path) as stream:
                points = _read_points(stream.read(FILE_BYTES_MAX), attempt)
            if points:
                found[rank] = points
        return found

    def read_latest(self, job_id: JobId, attempt: int) -> Latest:
        """The end of one file."""
        for _, path in self._find_files(AttemptRef(job_id, attempt)):
            with _open_samples(path) as stream:
                size = stream.seek(0, 2)
                begin = max(0, size - TAIL_BYTES)
                stream.seek(begin)
                content = stream.read()
            if begin:
                content = content.partition(b"\n")[2]
            latest = _read_latest(content)
            if latest.at_ns:
                return latest
        return Latest()

    def _find_files(self, ref: AttemptRef) -> list[tuple[int, Path]]:
        """Ranks and their files, lowest first, in all replicas of the attempt."""
        found = {}
        for root in (self._paths.ended_attempt(ref), self._paths.attempt(ref)):
            for path in root.glob("*/metrics/rank-*.jsonl"):
                match = _RANK.fullmatch(path.name)
                if match is not None:
                    found[int(match[1])] = path
        return sorted(found.items())


def _open_samples(path: Path) -> BinaryIO:
    """The file, or nothing where it cannot be read or the job has put something else."""
    try:
        return open_plain(path, LEVELS + 1)
    except OSError:
        return io.BytesIO()


def _read_points(content: bytes, attempt: int) -> dict[str, list[Point]]:
    points: dict[str, list[Point]] = defaultdict(list)
    for sample in _samples(content):
        values = sample.get("v")
        if not isinstance(values, dict):
            continue
        at_ns = _whole(sample.get("t"))
        for name, told in values.items():
            value = _number(told)
            if value is None or (name not in points and len(points) >= NAMES_MAX):
                continue
            series = points[name]
            step = _number(sample.get("s", series[-1].step + 1 if series else 0.0))
            if step is not None and abs(step) < _FAR:
                series.append(Point(step, value, at_ns, attempt))
    return dict(points)


def _read_latest(content: bytes) -> Latest:
    steps: list[tuple[int, float]] = []
    total: float | None = None
    values: dict[str, float] = {}
    at_ns = 0
    for sample in _samples(content):
        told_ns = _whole(sample.get("t"))
        progress = sample.get("p")
        if isinstance(progress, list) and len(progress) == 2:
            step, total = _number(progress[0]), _number(progress[1])
            if step is not None:
                steps.append((told_ns, step))
                at_ns = told_ns
        elif isinstance(sample.get("v"), dict):
            news = {name: _number(told) for name, told in sample["v"].items()}
            values.update({name: value for name, value in news.items() if value is not None})
            at_ns = told_ns
    if not steps:
        return Latest(at_ns=at_ns, values=values)
    first, last = steps[0], steps[-1]
    span_s = (last[0] - first[0]) / NS_PER_S
    rate = (last[1] - first[1]) / span_s if span_s > 0 and last[1] > first[1] else None
    return Latest(last[1], total, rate, at_ns, values)


def _samples(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        try:
            sample = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(sample, dict):
            yield sample


def _number(told: object) -> float | None:
    if isinstance(told, bool) or not isinstance(told, int | float | str):
        return None
    try:
        return float(told)
    except (ValueError, OverflowError):
        return None


def _whole(told: object) -> int:
    return told if isinstance(told, int) and 0 <= told < 2**63 else 0
