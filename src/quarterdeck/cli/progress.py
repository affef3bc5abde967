"""How far a job is, in one line; and that line below the log of `qd run`."""

from __future__ import annotations

import os
import shutil
import sys
import threading
from typing import TYPE_CHECKING, Self

from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.basics.quantities import format_span
from quarterdeck.cli.output import inert

if TYPE_CHECKING:
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.metrics import ProgressView

VALUES_SHOWN = 3
LOOK_S = 1.0
CLEAR = "\r\x1b[K"


def draw_bar(done: float, total: float, width: int, *, is_unicode: bool) -> str:
    """A bar of so many characters."""
    filled = round(width * min(1.0, done / total)) if total > 0 else width
    full, empty = ("█", "░") if is_unicode else ("#", ".")
    return full * filled + empty * (width - filled)


def progress_line(view: ProgressView, width: int, *, is_unicode: bool) -> str:
    """Steps, rate, time left and the latest values; empty when the job has told nothing."""
    parts = []
    if view.step is not None and view.total:
        share = f"{view.step / view.total:4.0%}"
        parts.append(f"{share} {draw_bar(view.step, view.total, 20, is_unicode=is_unicode)}")
        parts.append(f"{view.step:.10g}/{view.total:.10g}")
    elif view.step is not None:
        parts.append(f"step {view.step:.10g}")
    if view.left_s is not None:
        parts.append(f"{format_span(view.left_s)} left")
    parts += values_of(view)
    return "  ".join(parts)[:width]


def values_of(view: ProgressView) -> list[str]:
    """The first few values, as people read them."""
    known = [(name, value) for name, value in view.values.items() if value is not None]
    return [f"{inert(name)} {value:.4g}" for name, value in known[:VALUES_SHOWN]]


class ProgressLine:
    """The last line of the terminal while a job is followed; nothing where stderr is none.

    A thread of its own asks; whoever prints something else clears the line first.
    """

    def __init__(self, client: Client, job_id: str) -> None:
        self._client = client
        self._job_id = job_id
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._is_drawn = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        """Begin to look, if anybody sees it."""
        if sys.stderr.isatty():
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal clean."""
        self._ended.set()
        self.clear()

    def clear(self) -> None:
        """Take the line away."""
        with self._lock:
            if self._is_drawn:
                os.write(2, CLEAR.encode())
                self._is_drawn = False

    def _run(self) -> None:
        is_unicode = (sys.stderr.encoding or "").lower().replace("-", "") == "utf8"
        while not self._ended.wait(LOOK_S):
            try:
                found = self._client.list_progress(self._job_id).jobs
            except QuarterdeckError:
                continue
            width = shutil.get_terminal_size((80, 24)).columns - 1
            text = progress_line(found[0], width, is_unicode=is_unicode) if found else ""
            with self._lock:
                if text and not self._ended.is_set():
                    os.write(2, f"{CLEAR}{text}".encode(errors="replace"))
                    self._is_drawn = True
