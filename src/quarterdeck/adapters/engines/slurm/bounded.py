"""One command: no shell, an environment of its own, an end by a deadline, and bounded output."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Final

CHUNK_BYTES: Final = 1 << 18
ERROR_BYTES_MAX: Final = 1 << 16


@dataclass(frozen=True, slots=True)
class Finished:
    """What became of a command; a byte that is no UTF-8 is replaced."""

    code: int
    output: str
    error: str
    is_late: bool = False
    """It was ended at its deadline; what it had said is there."""
    is_too_long: bool = False
    """It was ended because it said too much."""


def run_bounded(
    command: Sequence[str],
    env: Mapping[str, str],
    *,
    stdin: bytes = b"",
    timeout_s: float,
    output_bytes_max: int,
    kept_open: Sequence[int] = (),
) -> Finished:
    """Run it. `OSError` when it cannot be started; a command that is ended takes what it started
    along. `kept_open`: files that it holds open while it lives."""
    with tempfile.TemporaryFile() as given:
        # A file, not a pipe: the command may never read it, and we would wait for it.
        given.write(stdin)
        given.seek(0)
        process = subprocess.Popen(
            command,
            stdin=given,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=dict(env),
            cwd="/",
            start_new_session=True,
            pass_fds=kept_open,
        )
    limits = {"output": output_bytes_max, "error": ERROR_BYTES_MAX}
    said = {"output": bytearray(), "error": bytearray()}
    with process, selectors.DefaultSelector() as selector:
        assert process.stdout
        assert process.stderr
        selector.register(process.stdout, selectors.EVENT_READ, "output")
        selector.register(process.stderr, selectors.EVENT_READ, "error")
        deadline_s = monotonic() + timeout_s
        is_late = not _read_all(selector, said, limits, deadline_s)
        is_too_long = len(said["output"]) > output_bytes_max
        if not is_late and not is_too_long:
            is_late = not _has_ended(process, deadline_s)
        if is_late or is_too_long:
            _end(process)
    return Finished(
        process.returncode,
        said["output"].decode(errors="replace"),
        bytes(said["error"][:ERROR_BYTES_MAX]).decode(errors="replace"),
        is_late,
        is_too_long,
    )


def _read_all(
    selector: selectors.BaseSelector,
    said: Mapping[str, bytearray],
    limits: Mapping[str, int],
    deadline_s: float,
) -> bool:
    """Read until both ends are closed or the output is too long; False at the deadline. Errors
    beyond their limit are read and dropped, so that nobody waits for us to read them."""
    while selector.get_map():
        left_s = deadline_s - monotonic()
        if left_s <= 0:
            return False
        for key, _ in selector.select(left_s):
            chunk = os.read(key.fd, CHUNK_BYTES)
            if not chunk:
                selector.unregister(key.fileobj)
            elif len(said[key.data]) <= limits[key.data]:
                said[key.data].extend(chunk)
            if key.data == "output" and len(said["output"]) > limits["output"]:
                return True
    return True


def _has_ended(process: subprocess.Popen[bytes], deadline_s: float) -> bool:
    """Whether it ends by the deadline: it may have closed its ends and stayed."""
    try:
        process.wait(max(deadline_s - monotonic(), 0.01))
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
