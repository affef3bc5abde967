"""Metrics and progress on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import sys
from pathlib import Path
from time import monotonic
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from quarterdeck.cli.plot import Curve, draw_svg, draw_text
from quarterdeck.cli.progress import draw_bar, progress_line
from quarterdeck.wire.v1.metrics import ProgressView
from tests.integration.cli.terminal import qd
from tests.integration.sdk.scripted import JOB_ID, as_json, serving

AT = "2026-11-23T09:00:00.000000Z"


def series(*points: tuple[float, float | None, int], name: str = "loss") -> dict[str, Any]:
    views = [{"step": s, "value": v, "at": AT, "attempt": a} for s, v, a in points]
    return {"name": name, "rank": 0, "told": len(views), "points": views}


def metrics(*found: dict[str, Any]) -> Any:
    names = [one["name"] for one in found]
    return as_json({"job_id": JOB_ID, "names": names, "series": list(found)})


LOSS = series((1, 0.9, 1), (2, 0.5, 1), (3, None, 2), (4, 0.1, 2))


def test_the_latest_of_everything_is_listed() -> None:
    with serving(metrics(LOSS), metrics(LOSS)) as script:
        told = qd("metrics", JOB_ID, url=script.url)
    assert told.stdout.splitlines()[1].split()[:4] == ["loss", "4", "4", "0.1"]


def test_values_are_listed_and_dumped() -> None:
    with serving(metrics(LOSS)) as script:
        told = qd("metrics", JOB_ID, "loss", url=script.url)
        dumped = qd("metrics", JOB_ID, "loss", "-o", "json", url=script.url)
    assert [line.split()[:3] for line in told.stdout.splitlines()[1:]] == [
        ["1", "0.9", "1"], ["2", "0.5", "1"], ["3", "-", "2"], ["4", "0.1", "2"],
    ]  # fmt: skip
    assert json.loads(dumped.stdout)["series"] == [LOSS]


def test_a_picture_in_the_terminal_and_in_a_file(tmp_path: Path) -> None:
    with serving(metrics(LOSS)) as script:
        drawn = qd("metrics", JOB_ID, "--plot", "loss", url=script.url)
        path = tmp_path / "loss.svg"
        saved = qd("metrics", JOB_ID, "--plot", "loss", "--save", str(path), url=script.url)
        nowhere = str(tmp_path / "no" / "loss.svg")
        refused = qd("metrics", JOB_ID, "--plot", "loss", "--save", nowhere, url=script.url)
    assert "another attempt began" in drawn.stdout
    assert saved.stdout.strip() == str(path)
    assert ET.parse(path).getroot().tag.endswith("svg")
    assert (refused.returncode, "cannot be written" in refused.stderr) == (3, True)


def test_what_was_never_told_is_said_with_what_was() -> None:
    with serving(metrics(LOSS)) as script:
        told = qd("metrics", JOB_ID, "--plot", "los", url=script.url)
    assert told.returncode == 3
    assert "it has told: loss" in told.stderr


@pytest.mark.parametrize("is_unicode", [True, False])
def test_a_falling_curve_falls_from_corner_to_corner(*, is_unicode: bool) -> None:
    curve = Curve("loss", [0, 1, 2, 3], [3.0, 2.0, 1.0, 0.0], breaks=[2])
    lines = draw_text(curve, 40, 8, is_unicode=is_unicode)
    assert lines[0] == "loss"
    assert all(len(line) <= 40 for line in lines)
    rows = [re.sub(r"^ *[\d.]* [│|]", "", line) for line in lines[1:9]]
    starts = [len(row) - len(row.lstrip()) for row in rows]
    assert starts == sorted(starts)
    assert (starts[0], starts[-1] > 25) == (0, True)
    assert lines[1].strip().startswith("3")
    assert lines[8].strip().startswith("0")
    assert "▲" in lines[9] or "^" in lines[9]


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0], [0.0, 0.0, 0.0], [-1e308, 1e308]])
def test_strange_curves_are_drawn_too(values: list[float]) -> None:
    curve = Curve("x<&>", list(range(len(values))), values)
    assert len(draw_text(curve, 30, 5, is_unicode=True)) == 8
    ET.fromstring(draw_svg(curve))


def view(**fields: Any) -> ProgressView:
    known = {"job_id": JOB_ID, "name": "job", "owner": "ada", "nodes": ["n"], "started_at": AT}
    told: dict[str, Any] = {
        "step": None,
        "total": None,
        "rate": None,
        "left_s": None,
        "told_at": AT,
        "values": {},
    }
    return ProgressView.model_validate({**known, **told, **fields})


def test_a_line_of_progress() -> None:
    line = progress_line(
        view(step=25, total=100, left_s=75, values={"loss": 0.5}), 100, is_unicode=False
    )
    assert line == " 25% #####...............  25/100  1m15s left  loss 0.5"
    assert progress_line(view(step=7), 80, is_unicode=True) == "step 7"
    assert progress_line(view(), 80, is_unicode=True) == ""
    assert draw_bar(5, 0, 4, is_unicode=False) == "####"


def test_top_once_is_a_table_of_what_runs() -> None:
    nodes: dict[str, Any] = {"nodes": []}
    running = {"jobs": [view(step=1, total=4, left_s=9).model_dump()]}
    with serving(as_json(nodes), as_json(running), as_json({"length": 3, "entries": []})) as s:
        told = qd("top", "--once", url=s.url)
    assert "1 running, 3 queued" in told.stdout
    assert "1/4" in told.stdout
    assert all(len(line) <= 100 for line in told.stdout.splitlines())


def test_top_draws_on_a_terminal_until_q_is_pressed(root: Path) -> None:
    running = {"jobs": [view(step=1, total=4).model_dump()]}
    rounds = (as_json({"nodes": []}), as_json(running), as_json({"length": 0, "entries": []}))
    with serving(*rounds * 3) as script:
        child, terminal = pty.fork()
        if child == 0:
            environment = {**os.environ, "QD_URL": script.url, "QD_TOKEN": "t", "COLUMNS": "80"}
            code = "from quarterdeck.wiring.entry import main; main()"
            os.execve(sys.executable, [sys.executable, "-c", code, "top"], environment)
        shown = read_until(terminal, b"1/4")
        os.write(terminal, b"q")
        shown += read_until(terminal, b"\x1b[?1049l")
        assert os.waitpid(child, 0)[1] == 0
    assert b"\x1b[?1049h" in shown
    os.close(terminal)


def read_until(terminal: int, wanted: bytes) -> bytes:
    shown, deadline = b"", monotonic() + 20
    while wanted not in shown:
        assert select.select([terminal], [], [], max(0.0, deadline - monotonic()))[0], shown
        shown += os.read(terminal, 65536)
    return shown
