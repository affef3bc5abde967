"""Read what a runner wrote about its replica, and whether it still lives.

The facts are lines of `status.jsonl`; a live runner holds the lock on `lock`. Nothing here guesses
from process ids.
"""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.spool.locks import is_held
from quarterdeck.adapters.spool.orders import STOP, write_json
from quarterdeck.adapters.spool.plain import open_plain
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.job import RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState

if TYPE_CHECKING:
    from pathlib import Path

_REASONS: Final = {
    "setup_failed": Reason.SETUP_FAILED,
    "timed_out": Reason.TIMED_OUT,
    "out_of_memory": Reason.OUT_OF_MEMORY,
    "stopped_at_site": Reason.STOPPED_AT_SITE,
}


END: Final = "end.json"


class Spool:
    """One replica's folder, read from where the last read stopped.

    `is_doubted`: at the last look a runner had begun with it but held no lock and had said nothing,
    which is right for an instant only. `asks_why`: where a runner was told to end, only the engine
    can find out why; until it has, the replica has not ended.
    """

    def __init__(self, folder: Path, node_rank: int, *, asks_why: bool = False) -> None:
        self.folder = folder
        self.sighting = Sighting(node_rank, ReplicaState.PENDING)
        self.standing: dict[str, Any] | None = None
        self.is_doubted = False
        self.unexplained: Sighting | None = None
        self._asks_why = asks_why
        self._pid: int | None = None
        self._offset = 0
        self._recall_end()

    def read(self) -> bool:
        """Take in new facts; says whether the sighting changed."""
        try:
            with open_plain(self.folder / "status.jsonl") as stream:
                stream.seek(self._offset)
                fresh = stream.read()
        except FileNotFoundError:
            return False
        whole = fresh[: fresh.rfind(b"\n") + 1]
        self._offset += len(whole)
        before = self.sighting
        for line in whole.splitlines():
            self._take_line(line)
        return self.sighting != before

    @property
    def was_taken_up(self) -> bool:
        """Whether a runner ever began with it."""
        return (self.folder / "lock").exists()

    def is_alive(self) -> bool:
        """Whether a runner holds the lock now."""
        return is_held(self.folder / "lock")

    def kill_runner(self) -> None:
        """End the runner without a word, as the loss of its node would; one that has not yet said
        who it is goes on."""
        if self._pid is None:
            return
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(self._pid)
            try:
                if self.is_alive():  # so the process that we hold is the runner, and no later one
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
            finally:
                os.close(handle)

    @property
    def has_ended(self) -> bool:
        """Whether the runner has said its last word, explained or not."""
        return self.sighting.state.is_gone or self.unexplained is not None

    @property
    def was_told_to_stop(self) -> bool:
        """Whether that was the wish of an engine, of this one or of an earlier one."""
        return (self.folder / STOP).exists()

    def read_beat_ns(self) -> int:
        """When the runner last said that it lives, by the site's clock; 0 if it never did."""
        return read_beat_ns(self.folder)

    def end(self, state: ReplicaState, reason: Reason, message: str) -> None:
        """The engine knows how it ended, and its runner will say no more, or is not believed. Also
        by an engine that comes after this one. `Unavailable` when the disk does not take it."""
        told = {"state": state.value, "reason": reason.value, "message": message}
        write_json(self.folder / END, told)
        self.sighting = replace(
            self.unexplained or self.sighting, state=state, reason=reason, message=message
        )

    def explain(self) -> None:
        """It ended as its runner said; there is nothing to add."""
        if self.unexplained is not None:
            self.sighting = self.unexplained

    def _recall_end(self) -> None:
        try:
            with open_plain(self.folder / END) as stream:
                told = json.load(stream)
        except FileNotFoundError:
            return
        self.read()
        state, reason = ReplicaState(told["state"]), Reason(told["reason"])
        self.sighting = replace(
            self.unexplained or self.sighting,
            state=state,
            reason=reason,
            message=told["message"],
        )

    def lose(self, message: str) -> None:
        """The runner is gone without a last word."""
        self.sighting = replace(
            self.sighting,
            state=ReplicaState.LOST,
            reason=Reason.NODE_FAILURE,
            message=message,
        )

    def _take_line(self, line: bytes) -> None:
        """A line that a full disk has torn says nothing. If it was the last word, the lock that is
        free then tells that the runner is gone."""
        with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError):
            fact = json.loads(line)
            if isinstance(fact, dict) and isinstance(fact.get("at_ns"), int):
                self._take(fact)

    def _take(self, fact: dict[str, Any]) -> None:
        if self.sighting.state.is_gone:
            return
        self._pid = fact.get("pid", self._pid)
        if fact["kind"] in ("standing", "started"):
            self._take_image(fact)
        if fact["kind"] == "pulling":
            message = f"pulling {fact['image']}"
            self.sighting = replace(self.sighting, state=ReplicaState.PULLING, message=message)
        elif fact["kind"] == "standing":
            self.standing = fact
            self.sighting = replace(self.sighting, state=ReplicaState.STANDING)
        elif fact["kind"] == "started":
            self.sighting = replace(
                self.sighting, state=ReplicaState.STARTED, started_at_ns=fact["at_ns"]
            )
        elif fact["kind"] == "stopping":
            self.sighting = replace(self.sighting, reason=_REASONS.get(fact["reason"]))
        elif fact["kind"] == "exited":
            self._take_exit(fact)

    def _take_image(self, fact: dict[str, Any]) -> None:
        image, pull_s = fact.get("image"), fact.get("pull_s")
        self.sighting = replace(
            self.sighting,
            message="",
            image=str(image) if image else "",
            pull_s=float(pull_s) if pull_s is not None else None,
        )

    def _take_exit(self, fact: dict[str, Any]) -> None:
        message = str(fact.get("message", ""))
        if fact["reason"] == "killed":
            self.lose(message or "the runner was killed; what it ran was killed after it")
            return
        ended = replace(
            self.sighting,
            state=ReplicaState.EXITED,
            ended_at_ns=fact["at_ns"],
            exits=tuple(
                RankExit(end["rank"], end.get("code"), end.get("signal"), bool(end.get("stopped")))
                for end in fact["ranks"]
            ),
            reason=_REASONS.get(fact["reason"]),
            message=message,
        )
        if self._asks_why and ended.reason is Reason.STOPPED_AT_SITE:
            self.unexplained = ended
        else:
            self.sighting = ended


def read_beat_ns(folder: Path) -> int:
    """When the process of this folder last beat, by the site's clock; 0 if it never did."""
    try:
        return (folder / "beat").lstat().st_mtime_ns
    except OSError:
        return 0
