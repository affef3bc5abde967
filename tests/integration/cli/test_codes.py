"""What a script sees: exit codes, and on which stream things are said."""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path

import pytest

from tests.integration.cli.terminal import qd, spawn
from tests.integration.sdk.scripted import (
    JOB_ID,
    OTHER_ID,
    Answer,
    Asked,
    Script,
    as_json,
    job,
    log_end,
    log_message,
    make_home,
    problem,
    serving,
    stream,
)

RUN = ("run", "--workdir", "none", "--", "true")
FAILED = {"exit_code": 7, "reason": "user_error", "message": "exit code 7"}


def following(state: str, **fields: object) -> list[Answer]:
    """A job that is submitted, followed to its end, and looked at once more."""
    code = fields.get("exit_code") or 0
    assert isinstance(code, int)
    told = stream(log_message(0, "héllo\n") + log_end(state, code))
    return [as_json(job(), 201), told, as_json(job(state, **fields))]


def test_run_prints_the_log_and_exits_with_the_jobs_code() -> None:
    with serving(*following("failed", **FAILED)) as script:
        done = qd(*RUN, url=script.url)
    assert (done.returncode, done.stdout) == (7, "héllo\n")
    assert JOB_ID in done.stderr
    assert "exit code 7" in done.stderr
    assert json.loads(script.asked[0].body)["run"] == ["true"]


def test_run_that_succeeds_exits_0() -> None:
    with serving(*following("succeeded", exit_code=0)) as script:
        assert qd(*RUN, url=script.url).returncode == 0


def test_run_of_a_job_that_ended_without_a_code_exits_125() -> None:
    lost = following("failed", exit_code=None, message="node dgx-1 was lost")
    with serving(*lost) as script:
        done = qd(*RUN, url=script.url)
    assert done.returncode == 125
    assert "node dgx-1 was lost" in done.stderr


def test_run_with_json_keeps_stdout_for_the_job() -> None:
    with serving(*following("failed", **FAILED)) as script:
        done = qd("run", "-o", "json", *RUN[1:], url=script.url)
    assert done.returncode == 7
    assert json.loads(done.stdout)["state"] == "failed"
    assert "héllo" in done.stderr


def test_run_detached_prints_what_was_asked_for() -> None:
    with serving(as_json(job(), 201)) as script:
        told = qd("run", "--detach", "-o", "json", *RUN[1:], url=script.url)
        name = qd("run", "--detach", "-o", "name", *RUN[1:], url=script.url)
    assert {"id": JOB_ID, "state": "queued"}.items() <= json.loads(told.stdout).items()
    assert name.stdout == f"{JOB_ID}\n"


@pytest.mark.parametrize(
    "arguments",
    [("run",), ("run", "--nodes", "x", "true"), ("run", "--gpus", "1", "--gpu", "A100:1", "true")],
)
def test_wrong_usage_of_run_is_not_taken_for_the_jobs_code(arguments: tuple[str, ...]) -> None:
    done = qd(*arguments)
    assert done.returncode == 125
    assert "Usage: " in done.stderr


def test_options_after_the_command_are_the_commands() -> None:
    with serving(*following("succeeded")) as script:
        command = ("ls", "--help", "-N", "2")
        assert qd("run", "--workdir", "none", *command, url=script.url).returncode == 0
    asked = json.loads(script.asked[0].body)
    assert asked["run"] == list(command)
    assert "nodes" not in asked


@pytest.mark.parametrize(
    ("answer", "code", "told"),
    [
        (problem(404, "not_found", detail="there is no job"), 3, "error: there is no job"),
        (problem(422, "unsatisfiable"), 3, "hint: do this"),
        (problem(409, "conflict"), 3, "conflict happened"),
        (problem(401, "unknown_token"), 3, "unknown_token"),
        (problem(500, "internal_error"), 4, "internal_error"),
        (Answer(200, b"<html>"), 4, "JobView"),
        (Answer(404, b"<html>"), 4, "not a Quarterdeck server"),
    ],
)
def test_errors_are_two_lines_and_a_code(answer: Answer, code: int, told: str) -> None:
    with serving(answer) as script:
        done = qd("show", JOB_ID, url=script.url)
    assert done.returncode == code
    assert done.stdout == ""
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("error: ")


def test_without_a_server_run_exits_125_and_the_others_4(tmp_path: Path) -> None:
    for arguments, code in ((RUN, 125), (("ps",), 4), (("submit", str(tmp_path / "j")), 3)):
        done = qd(*arguments, home=tmp_path)
        assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    assert "qd up" in qd("ps", home=tmp_path).stderr


def test_a_server_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    done = qd("ps", home=make_home(tmp_path, "http://127.0.0.1:9", pid=2**22 - 1))
    assert done.returncode == 4
    assert "is gone" in done.stderr
    assert "qd up" in done.stderr


@pytest.mark.parametrize(("state", "code"), [("succeeded", 0), ("failed", 1), ("cancelled", 1)])
def test_wait_says_how_it_ended(state: str, code: int) -> None:
    with serving(as_json(job(state))) as script:
        assert qd("wait", JOB_ID, url=script.url).returncode == code


def test_wait_gives_up_after_its_time() -> None:
    with serving(as_json(job("running"))) as script:
        assert qd("wait", JOB_ID, "--timeout", "0.2", url=script.url).returncode == 124


def test_cancel_goes_through_all_and_then_says_what_was_refused() -> None:
    answers = (problem(404, "not_found"), as_json(job("cancelled")))
    with serving(*answers) as script:
        done = qd("cancel", OTHER_ID, JOB_ID, "-o", "name", url=script.url)
    assert (done.returncode, done.stdout) == (3, f"{JOB_ID}\n")
    assert [asked.path.split("/")[3] for asked in script.asked] == [OTHER_ID, JOB_ID]


def test_a_reader_that_has_gone_is_no_news() -> None:
    page = {"jobs": [job()] * 3000, "next_before": None}
    with serving(as_json(page)) as script, spawn("ps", "-a", url=script.url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(30) == 141


class Live(Script):
    """A job that runs until it is cancelled; its log is open until then."""

    def __init__(self) -> None:
        super().__init__()
        self.cancelled = threading.Event()
        self.followed = threading.Event()

    def take(self, asked: Asked) -> Answer:
        with self.lock:
            self.asked.append(asked)
        if asked.path == "/v1/jobs":
            return as_json(job(), 201)
        if asked.path.endswith("/cancel"):
            self.cancelled.set()
            return as_json(job("stopping"))
        if "/logs/stream" in asked.path:
            if not self.cancelled.is_set():
                self.followed.set()
                return stream(log_message(0, "up\n"))
            return stream(log_end("cancelled", 143))
        if asked.path.endswith("/explanation"):
            return problem(503, "unavailable")
        return as_json(job("cancelled", exit_code=143, message="cancelled by ada"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_interrupt_cancels_the_job_and_goes_on_following(number: int) -> None:
    with serving(live := Live()) as script, spawn(*RUN, url=script.url) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        _, told = process.communicate(timeout=30)
    assert live.cancelled.is_set()
    assert process.returncode == 143
    assert b"cancelled by ada" in told


def test_the_second_interrupt_leaves_the_job_alone() -> None:
    class Stubborn(Live):
        def take(self, asked: Asked) -> Answer:
            answer = super().take(asked)
            return stream(b": nothing\n\n") if "/logs/stream" in asked.path else answer

    with serving(live := Stubborn()) as script, spawn(*RUN, url=script.url) as process:
        assert live.followed.wait(20)
        os.kill(process.pid, signal.SIGINT)
        assert live.cancelled.wait(20)
        os.kill(process.pid, signal.SIGINT)
        _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"qd logs -f {JOB_ID}".encode() in told
