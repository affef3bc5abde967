"""`qd doctor` says as whom jobs run, and when something runs as root."""

from __future__ import annotations

import json
import os
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Refused
from quarterdeck.wiring.doctor.accounts import (
    find_launcher,
    find_server_uid,
    look_at_accounts,
    look_at_root,
)
from quarterdeck.wiring.doctor.findings import Level
from quarterdeck.wiring.settings import Settings

if TYPE_CHECKING:
    from pathlib import Path


def test_a_server_as_root_is_worth_a_word() -> None:
    assert look_at_root(0).level is Level.NOTE
    assert "account of its own" in look_at_root(0).hint
    assert look_at_root(1000).level is Level.OK


def test_without_a_launcher_it_is_said_that_people_can_read_each_others_files() -> None:
    found = look_at_accounts(None, 4294967)
    assert found.level is Level.NOTE
    assert "uid 4294967" in found.told
    assert "read each other's files" in found.told
    assert "--launcher" in found.hint


def test_a_launcher_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert look_at_accounts(str(tmp_path / "none"), 1).level is Level.PROBLEM


@pytest.mark.parametrize(
    ("answer", "level"),
    [
        ({"refused": "nobody has said which account is that of '*'"}, Level.OK),
        ({"refused": "only the account 'x' may ask here"}, Level.PROBLEM),
        ({}, Level.PROBLEM),
        (None, Level.PROBLEM),
    ],
)
def test_a_launcher_is_asked_whether_it_serves_us(
    tmp_path: Path, answer: dict[str, str] | None, level: Level
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def reply() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.send(b"?" if answer is None else json.dumps(answer).encode())

        thread = threading.Thread(target=reply)
        thread.start()
        assert look_at_accounts(str(tmp_path / "s"), 1).level is level
        thread.join()


def test_what_the_server_uses_goes_before_what_one_would_be_told(tmp_path: Path) -> None:
    assert find_launcher(tmp_path, {}) is None
    assert find_launcher(tmp_path, {"QD_LAUNCHER": "/b"}) == "/b"
    assert find_server_uid(tmp_path) == os.geteuid()
    (tmp_path / "server.json").write_text(json.dumps({"launcher": "/a", "pid": os.getpid()}))
    assert find_launcher(tmp_path, {"QD_LAUNCHER": "/b"}) == "/a"
    assert find_server_uid(tmp_path) == os.geteuid()


def test_jobs_of_other_accounts_lie_outside_of_the_home(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        Settings(home=tmp_path, launcher=tmp_path / "s")
    assert caught.value.field == "jobs_folder"
    with pytest.raises(Refused):
        Settings(home=tmp_path, launcher=tmp_path / "s", jobs_folder=tmp_path / "jobs")
    Settings(home=tmp_path / "home", launcher=tmp_path / "s", jobs_folder=tmp_path / "jobs")
