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
from quarterdeck.adapters.spool.plain import LEVELS, open_plain
from quarterdeck.adapters.spool.untrusted import Garbled, as_span, as_text, as_whole, load_json
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
FACTS_BYTES_MAX: Final = 2**20
"""Of facts that are taken in at a look: a runner writes a few hundred bytes in all."""
RANKS_MAX: Final = 100_000
_SIGNAL_MAX: Final = 64
_EXIT_MAX: Final = 255
_RANK_MAX: Final = 10**9


class Spool:
    """One replica's folder, read from where the last read stopped.

    `is_doubted`: at the last look a runner had begun with it but held no lock and had said nothing,
    which is right for an instant only. `asks_why`: where a runner was told to end, only the engine
    can find out why; until it has, the replica has not ended. `was_given_up`: an earlier engine has
    told its end, whatever of it may live on.
    """

    def __init__(self, folder: Path, node_rank: int, *, asks_why: bool = False) -> None:
        self.folder = folder
        self.sighting = Sighting(node_rank, ReplicaState.PENDING)
        self.standing: dict[str, Any] | None = None
        self.is_doubted = False
        self.unexplained: Sighting | None = None
        self.was_given_up = False
        self._asks_why = asks_why
        self._pid: int | None = None
        self._offset = 0
        self._recall_end()

    def read(self) -> bool:
        """Take in new facts; says whether the sighting changed."""
        try:
            with open_plain(self.folder / "status.jsonl") as stream:
                stream.seek(self._offset)
                fresh = stream.read(FACTS_BYTES_MAX)
        except (FileNotFoundError, PermissionError):
            return False
        whole = fresh[: fresh.rfind(b"\n") + 1]
        # A line that is longer than all that a runner ever says is none of its own.
        self._offset += len(whole) or (len(fresh) if len(fresh) == FACTS_BYTES_MAX else 0)
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
        try:
            return is_held(self.folder / "lock", LEVELS)
        except PermissionError:
            return False

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
            end = _load_end(self.folder)
        except Garbled as error:
            self.was_given_up = True
            self.lose(f"{error}; somebody at the site has changed it")
            return
        if end is None:
            return
        self.was_given_up = True
        self.read()
        state, reason, message = end
        self.sighting = replace(
            self.unexplained or self.sighting, state=state, reason=reason, message=message
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
            if isinstance(fact, dict) and as_whole(fact.get("at_ns")) is not None:
                self._take(fact)

    def _take(self, fact: dict[str, Any]) -> None:
        if self.sighting.state.is_gone:
            return
        self._pid = as_whole(fact.get("pid"), _RANK_MAX) or self._pid
        if fact["kind"] in ("standing", "started"):
            self._take_image(fact)
        if fact["kind"] == "pulling":
            message = as_text(f"pulling {fact['image']}")
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
            image=as_text(image),
            pull_s=as_span(pull_s),
        )

    def _take_exit(self, fact: dict[str, Any]) -> None:
        message = as_text(fact.get("message"))
        if fact["reason"] == "killed":
            self.lose(message or "the runner was killed; what it ran was killed after it")
            return
        ended = replace(
            self.sighting,
            state=ReplicaState.EXITED,
            ended_at_ns=fact["at_ns"],
            exits=tuple(_exit_of(end) for end in fact["ranks"][:RANKS_MAX]),
            reason=_REASONS.get(fact["reason"]),
            message=message,
        )
        if self._asks_why and ended.reason is Reason.STOPPED_AT_SITE:
            self.unexplained = ended
        else:
            self.sighting = ended


def _load_end(folder: Path) -> tuple[ReplicaState, Reason, str] | None:
    """As an engine has told it, None if none has. `Garbled` for anything else."""
    told = load_json(folder / END)
    if told is None:
        return None
    try:
        state, reason = ReplicaState(told["state"]), Reason(told["reason"])
    except (KeyError, TypeError, ValueError):
        raise Garbled(f"its {END} says no end") from None
    if not state.is_gone:
        raise Garbled(f"its {END} says no end")
    return state, reason, as_text(told.get("message"))


def _exit_of(told: dict[str, Any]) -> RankExit:
    """`TypeError` for what is none."""
    rank = as_whole(told["rank"], _RANK_MAX)
    if rank is None:
        raise TypeError(told)
    code, name = as_whole(told.get("code"), _EXIT_MAX), as_whole(told.get("signal"), _SIGNAL_MAX)
    return RankExit(rank, code, name, bool(told.get("stopped")))


def read_beat_ns(folder: Path) -> int:
    """When the process of this folder last beat, by the site's clock; 0 if it never did."""
    try:
        return (folder / "beat").lstat().st_mtime_ns
    except OSError:
        return 0
