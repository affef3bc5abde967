"""Tell Quarterdeck how a job goes, from inside it.

    from quarterdeck import job

    for step in range(100):
        ...
        job.progress(step + 1, 100)
        job.log(step=step + 1, loss=loss)
        if job.should_stop():
            save_and_leave()

Outside of a job everything here works and does nothing, so the same script runs anywhere. Standard
library only, Python 3.9 or newer. What is told is appended to a file of the replica, one write per
call: a full disk costs the samples, never the training, and what would make the file larger than
`FILE_BYTES_MAX` is left out.
"""

from __future__ import annotations

import json
import math
import numbers
import os
import time

FILE_BYTES_MAX = 32 * 1024 * 1024
"""Of one rank and attempt: some 400,000 samples."""
NAME_CHARS_MAX = 128
PROGRESS_EVERY_NS = 100_000_000
"""Progress that comes faster than this is told with the next call, and always at its end."""


def progress(step: float, total: float | None = None) -> None:
    """Say how far the work is: `step` of `total`, in whatever unit both are counted.

    Raises `TypeError` or `ValueError` for what is not a number, is negative or is beyond the total.
    """
    done = _finite("step", step)
    whole = None if total is None else _finite("total", total)
    if done < 0 or (whole is not None and done > whole):
        raise ValueError(f"step is {step!r} of {total!r}; it goes from 0 to the total")
    now_ns = time.time_ns()
    is_end = whole is not None and done == whole
    if not is_end and 0 <= now_ns - _state.progress_at_ns < PROGRESS_EVERY_NS:
        return
    _state.progress_at_ns = now_ns
    _state.tell({"t": now_ns, "p": [done, whole]})


def log(step: float | None = None, **values: object) -> None:
    """Note values of this moment, for example `job.log(step=7, loss=0.31)`.

    Without a step they are counted. Numbers only (NumPy's and tensors of one element are numbers,
    too), NaN and infinities included; raises `TypeError` that names any other.
    """
    told = {}
    for name, value in values.items():
        if len(name) > NAME_CHARS_MAX:
            raise ValueError(f"the name {name[:20]!r}… has more than {NAME_CHARS_MAX} characters")
        told[name] = _plain(name, value)
    sample: dict[str, object] = {"t": time.time_ns(), "v": told}
    if step is not None:
        sample["s"] = _finite("step", step)
    if told:
        _state.tell(sample)


def should_stop() -> bool:
    """Whether the warning has come: save what is needed and leave.

    Ranks may see it some steps apart; those that must stop at the same one agree on it, for
    example with `torch.distributed.all_reduce`.
    """
    sign = os.environ.get("QD_STOP")
    return sign is not None and os.path.exists(sign)


def checkpoint_dir(default: str = "checkpoint") -> str:
    """The folder that all attempts of the job share; `default` outside of a job."""
    return os.environ.get("QD_CHECKPOINT", default)


def results_dir(default: str = "results") -> str:
    """The folder of which everything is kept; `default` outside of a job."""
    return os.environ.get("QD_RESULTS", default)


def rank() -> int:
    """This process's number among all of the job; 0 outside of one."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes the job has; 1 outside of one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def task_index(default: int = 0) -> int:
    """The index of this task of an array; `default` elsewhere."""
    return int(os.environ.get("QD_TASK_INDEX", default))


class _State:
    """Where this process tells things. A fork tells them to the same file, with its own handle."""

    def __init__(self) -> None:
        self.progress_at_ns = 0
        self.left_out = 0
        self._handle: int | None = None
        self._pid = 0

    def tell(self, sample: dict[str, object]) -> None:
        """One line in one write. Whatever goes wrong costs only the sample."""
        folder = os.environ.get("QD_METRICS")
        if folder is None:
            return
        try:
            if self._handle is None or self._pid != os.getpid():
                path = os.path.join(folder, f"rank-{rank()}.jsonl")
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._handle = os.open(path, flags, 0o600)
                self._pid = os.getpid()
            line = json.dumps(sample, separators=(",", ":")).encode() + b"\n"
            if os.fstat(self._handle).st_size + len(line) > FILE_BYTES_MAX:
                self.left_out += 1
                return
            os.write(self._handle, line)
        except OSError:
            self.left_out += 1


def _finite(name: str, value: object) -> float:
    number = _number(name, value)
    if not math.isfinite(number):
        raise ValueError(f"{name} is {value!r}, which is no count")
    return number


def _plain(name: str, value: object) -> float | str:
    number = _number(name, value)
    return number if math.isfinite(number) else repr(number)


def _number(name: str, value: object) -> float:
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        return value
    if isinstance(value, (bool, str, bytes)) or value is None:
        raise TypeError(f"{name} is {value!r}, which is not a number")
    if isinstance(value, numbers.Number) or hasattr(value, "item"):
        try:
            return float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, RuntimeError):
            pass
    raise TypeError(f"{name} is of type {type(value).__name__}, which is not a number")


_state = _State()
