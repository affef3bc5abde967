"""What a script may tell, and that telling never harms it."""

from __future__ import annotations

import ast
import importlib
import json
import math
import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import quarterdeck.job


@pytest.fixture
def job() -> ModuleType:
    """The module as a new process has it."""
    return importlib.reload(quarterdeck.job)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    monkeypatch.setenv("QD_METRICS", str(tmp_path))
    monkeypatch.setenv("RANK", "3")
    return iter([tmp_path / "rank-3.jsonl"])


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_values_are_told_with_their_step(job: ModuleType, told: Iterator[Path]) -> None:
    job.log(step=7, loss=0.25, lr=1)
    job.log(loss=0.5)
    first, second = lines(next(told))
    assert (first["s"], first["v"]) == (7, {"loss": 0.25, "lr": 1})
    assert "s" not in second
    assert second["t"] >= first["t"] > 1.6e18


def test_numbers_of_other_kinds_are_numbers(job: ModuleType, told: Iterator[Path]) -> None:
    class OfOneElement:
        def item(self) -> float:
            return 0.5

        def __float__(self) -> float:
            return 0.5

    job.log(a=OfOneElement(), b=Decimal("1.5"), c=math.nan, d=-math.inf)
    assert lines(next(told))[0]["v"] == {"a": 0.5, "b": 1.5, "c": "nan", "d": "-inf"}


@pytest.mark.parametrize("value", ["0.5", None, True, [1.0], {"a": 1}, object()])
def test_what_is_no_number_is_named(job: ModuleType, value: object) -> None:
    with pytest.raises(TypeError, match="loss is "):
        job.log(loss=value)


@pytest.mark.parametrize(
    ("step", "total"), [(-1, 10), (11, 10), (math.nan, 10), (1, math.inf), (math.inf, None)]
)
def test_progress_goes_from_nothing_to_the_total(
    job: ModuleType, step: float, total: float | None
) -> None:
    with pytest.raises(ValueError, match="is "):
        job.progress(step, total)


def test_progress_is_told_at_first_and_at_the_end_however_fast_it_comes(
    job: ModuleType, told: Iterator[Path]
) -> None:
    for step in range(1001):
        job.progress(step, 1000)
    found = [line["p"] for line in lines(next(told))]
    assert (found[0], found[-1]) == ([0, 1000], [1000, 1000])
    assert len(found) < 500


def test_outside_of_a_job_everything_works_and_does_nothing(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("QD_METRICS", "QD_STOP", "QD_RESULTS", "QD_CHECKPOINT", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    job.progress(1, 2)
    job.log(loss=1.0)
    assert not job.should_stop()
    assert (job.rank(), job.world_size(), job.task_index(4)) == (0, 1, 4)
    assert (job.results_dir("r"), job.checkpoint_dir("c")) == ("r", "c")
    assert list(tmp_path.iterdir()) == []


def test_the_warning_is_seen(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QD_STOP", str(tmp_path / "stopping"))
    assert not job.should_stop()
    (tmp_path / "stopping").touch()
    assert job.should_stop()


def test_a_folder_that_is_gone_costs_the_samples_only(
    job: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QD_METRICS", str(tmp_path / "gone"))
    job.log(loss=1.0)
    assert job._state.left_out == 1


def test_the_file_has_a_bound(
    job: ModuleType, told: Iterator[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job, "FILE_BYTES_MAX", 500)
    for step in range(100):
        job.log(step=step, loss=0.5)
    path = next(told)
    assert path.stat().st_size <= 500
    assert job._state.left_out == 100 - len(lines(path))


def test_a_fork_tells_whole_lines_too(job: ModuleType, told: Iterator[Path]) -> None:
    job.log(step=0, of="parent" and 1)
    child = os.fork()
    if child == 0:
        for step in range(200):
            job.log(step=step, of=2)
        os._exit(0)
    for step in range(200):
        job.log(step=step, of=3)
    os.waitpid(child, 0)
    assert len(lines(next(told))) == 401


def test_it_is_written_for_old_pythons() -> None:
    source = Path(quarterdeck.job.__file__).read_text(encoding="utf-8")
    tree = ast.parse(source, feature_version=(3, 9))
    assert not any(isinstance(node, ast.Match) for node in ast.walk(tree))
    imported = {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert imported == {"json", "math", "numbers", "os", "time"}
