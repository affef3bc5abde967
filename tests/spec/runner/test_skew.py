"""A node whose clock is not that of the site's folder runs nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from quarterdeck.runner.skew import ClockSkewed, check_clock


@pytest.mark.parametrize(("off_s", "words"), [(600, "behind"), (-600, "ahead of"), (90, "behind")])
def test_clocks_that_differ_are_told_with_what_to_do(
    tmp_path: Path, off_s: float, words: str
) -> None:
    written = _write(tmp_path, off_s)
    with pytest.raises(ClockSkewed) as caught:
        check_clock(str(written), 60.0)
    told = str(caught.value)
    assert f" s {words} that of the site's folder" in told
    assert told.endswith("set both by NTP")
    assert abs(int(told.split(" is ")[1].split(" s ", maxsplit=1)[0])) in range(
        abs(int(off_s)) - 5, 606
    )


@pytest.mark.parametrize("off_s", [0, 50, -50])
def test_a_little_is_as_always(tmp_path: Path, off_s: float) -> None:
    check_clock(str(_write(tmp_path, off_s)), 60.0)


def test_where_nobody_asks_or_nothing_could_be_written_it_is_not_looked_at(tmp_path: Path) -> None:
    check_clock(str(_write(tmp_path, 600)), None)
    check_clock(str(tmp_path / "missing"), 60.0)


def _write(folder: Path, off_s: float) -> Path:
    path = folder / "beat"
    path.touch()
    moment = time.time() + off_s
    os.utime(path, (moment, moment))
    return path
