"""What the runner has in the place of parts of the standard library does what those do."""

from __future__ import annotations

import _ctypes
import ctypes
import os
import signal
import subprocess
from pathlib import Path

import pytest

from quarterdeck.runner import light, prctl
from quarterdeck.runner.ranks import Ranks

PR_GET_CHILD_SUBREAPER = 37


def test_only_the_errors_that_are_named_are_passed_over() -> None:
    with light.suppress(FileNotFoundError, ValueError):
        raise FileNotFoundError
    with light.suppress(OSError):
        raise PermissionError
    with pytest.raises(KeyError), light.suppress(OSError):
        raise KeyError


def test_signals_have_their_numbers() -> None:
    for name in ("SIGTERM", "SIGKILL", "SIGCHLD", "SIGUSR1", "SIG_IGN", "SIG_DFL", "SIG_SETMASK"):
        assert getattr(light.signal, name) == getattr(signal, name)


@pytest.mark.parametrize("missing", [None, "CFuncPtr", "_SimpleCData", "dlsym"])
def test_a_subreaper_is_made_even_where_the_inside_of_ctypes_is_another(
    missing: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = ctypes.CDLL(None).prctl
    with monkeypatch.context() as patched:
        if missing is not None:
            patched.delattr(_ctypes, missing)
        loaded = prctl._load()
    monkeypatch.setattr(prctl, "_prctl", loaded[0])
    monkeypatch.setattr(prctl, "_get_errno", loaded[1])
    child = os.fork()
    if child == 0:
        is_one = ctypes.c_int(0)
        prctl.become_subreaper()
        call(PR_GET_CHILD_SUBREAPER, ctypes.byref(is_one), 0, 0, 0)
        os._exit(is_one.value)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert loaded[0](9999, 0, 0, 0, 0) == -1
    assert loaded[1]() == 22


def _run(command: list[str], path: str | None, folder: Path) -> tuple[int | None, str]:
    """Its code, and what it wrote."""
    reader, writer = os.pipe()
    ranks = Ranks(0)
    environment = {} if path is None else {"PATH": path}
    ranks.start(command, environment, str(folder), writer)
    os.close(writer)
    ranks.reap_all()
    with os.fdopen(reader) as stream:
        return ranks.ends()[0]["code"], stream.read()


def test_a_program_is_looked_for_as_the_shell_does(tmp_path: Path) -> None:
    for name, mode in (("first", 0o644), ("second", 0o755)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "tool").write_text(f"#!/bin/sh\necho {name} $1\n")
        (tmp_path / name / "tool").chmod(mode)
    (tmp_path / "file").touch()
    usual = subprocess.run(["sh", "-c", "echo $PATH"], capture_output=True, text=True, check=True)
    around = f"{tmp_path}/none:{tmp_path}/file:"
    assert _run(["tool", "a"], f"{around}{tmp_path}/second:{usual.stdout}", tmp_path) == (
        *(0, "second a\n"),
    )
    both = f"{around}{tmp_path}/first:{tmp_path}/second"
    assert _run(["tool", "a"], both, tmp_path) == (0, "second a\n")
    first = f"{tmp_path}/first:{tmp_path}/none"
    assert _run(["tool", "a"], first, tmp_path) == (126, "qd: tool: Permission denied\n")
    none = f"{tmp_path}/none"
    assert _run(["tool", "a"], none, tmp_path) == (127, "qd: tool: No such file or directory\n")
    assert _run(["second/tool", "b"], none, tmp_path) == (0, "second b\n")
    assert _run(["true"], None, tmp_path) == (0, "")
