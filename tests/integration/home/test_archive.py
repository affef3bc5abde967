"""The archive of jobs: readable by anybody, and not by luck after a crash."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.adapters.archives.jsonl import JsonlArchive, find_end, list_spans
from quarterdeck.basics.errors import Unavailable
from quarterdeck.ports.keeping import ArchivedJob
from quarterdeck.ports.store import JobRecord
from quarterdeck.testing.builders import a_job, a_job_id, a_run, a_submitted

MONTH = "jobs-2023-11.jsonl.gz"


def archived(number: int) -> ArchivedJob:
    events = [a_submitted(), *a_run(code=number % 2)]
    records = [JobRecord(100 + n, a_job_id(number), n, event) for n, event in enumerate(events, 1)]
    return ArchivedJob(a_job(number, *a_run(code=number % 2)), tuple(records))


def lines(path: Path) -> list[Any]:
    with gzip.open(path) as stream:
        return [json.loads(line) for line in stream]


def test_each_job_is_a_line_with_its_whole_history(tmp_path: Path) -> None:
    JsonlArchive(tmp_path / "archive").append([archived(1), archived(2)])
    first, second = lines(tmp_path / "archive" / MONTH)
    assert (first["job_id"], second["job_id"]) == (a_job_id(1), a_job_id(2))
    assert first["job"]["state"] == "failed"
    assert [event["kind"] for event in first["events"]] == [
        "Submitted", "Placed", "Seen", "Started", "Seen", "Ended",
    ]  # fmt: skip
    assert [event["revision"] for event in first["events"]] == [1, 2, 3, 4, 5, 6]


def test_appends_add_up_also_across_restarts(tmp_path: Path) -> None:
    for number in range(4):
        JsonlArchive(tmp_path).append([archived(number)])
    assert [line["job_id"] for line in lines(tmp_path / MONTH)] == [a_job_id(n) for n in range(4)]


@pytest.mark.parametrize("kept", [1, 5, 20, -1])
def test_an_append_that_a_crash_tore_spoils_nothing_that_follows(tmp_path: Path, kept: int) -> None:
    JsonlArchive(tmp_path).append([archived(1)])
    whole = (tmp_path / MONTH).read_bytes()
    JsonlArchive(tmp_path).append([archived(2)])
    torn = (tmp_path / MONTH).read_bytes()
    end = len(torn) + kept if kept < 0 else len(whole) + kept
    (tmp_path / MONTH).write_bytes(torn[:end])
    assert find_end(tmp_path / MONTH) == len(whole)
    JsonlArchive(tmp_path).append([archived(3)])
    assert [line["job_id"] for line in lines(tmp_path / MONTH)] == [a_job_id(1), a_job_id(3)]


def test_an_archive_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    (tmp_path / "archive").write_text("a file is in the way")
    with pytest.raises(Unavailable, match="not archived"):
        JsonlArchive(tmp_path / "archive").append([archived(1)])


def test_from_when_to_when_each_job_was_there_is_read_up_to_what_a_crash_tore(
    tmp_path: Path,
) -> None:
    assert list(list_spans(tmp_path / "none")) == []
    JsonlArchive(tmp_path).append([archived(1), archived(2)])
    JsonlArchive(tmp_path).append([archived(3)])
    spans = [(one.job.submitted_at_ns, one.job.ended_at_ns) for one in map(archived, (1, 2, 3))]
    assert list(list_spans(tmp_path)) == spans
    whole = (tmp_path / MONTH).read_bytes()
    (tmp_path / MONTH).write_bytes(whole[:-9])
    assert list(list_spans(tmp_path))[:2] == spans[:2]
