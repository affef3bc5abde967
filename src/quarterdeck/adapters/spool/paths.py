"""Where everything of a local site lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from quarterdeck.ports.engine import AttemptRef


@dataclass(frozen=True, slots=True)
class SitePaths:
    """The folders under the site's root, by what they hold. `hidden` are others that jobs which
    are set apart are not to see, either."""

    root: Path
    hidden: tuple[Path, ...] = ()

    @property
    def run(self) -> Path:
        """The launcher's lock and the FIFOs."""
        return self.root / "run"

    @property
    def inbox(self) -> Path:
        """Where runners say that there is something to read."""
        return self.run / "inbox.fifo"

    @property
    def news(self) -> Path:
        """Where runners on other machines say so."""
        return self.run / "news"

    @property
    def lost_nodes(self) -> Path:
        """The names of nodes that are pretended to be lost."""
        return self.root / "lost-nodes"

    @property
    def attempts(self) -> Path:
        """Attempts that the engine knows."""
        return self.root / "attempts"

    @property
    def ended(self) -> Path:
        """What is kept of attempts that were forgotten: their logs and facts."""
        return self.root / "ended"

    def attempt(self, ref: AttemptRef) -> Path:
        """An attempt's folder, which holds one per replica."""
        return self.attempts / ref.job_id / str(ref.attempt)

    def replica(self, ref: AttemptRef, node_rank: int) -> Path:
        """The spool folder of one replica."""
        return self.attempt(ref) / str(node_rank)

    def ended_attempt(self, ref: AttemptRef) -> Path:
        """The attempt's folder after it was forgotten."""
        return self.ended / ref.job_id / str(ref.attempt)

    def results(self, ref: AttemptRef) -> Path:
        """Results of an attempt, one folder per replica."""
        return self.root / "results" / ref.job_id / str(ref.attempt)

    def checkpoint(self, ref: AttemptRef, task: int | None = None) -> Path:
        """The job's checkpoints, which its attempts share; each task of an array has its own."""
        folder = self.root / "checkpoints" / ref.job_id
        return folder if task is None else folder / f"task-{task}"

    def make(self) -> None:
        """Make the folders that must be there; nobody else may write into them, whatever is usual
        here."""
        for folder in (self.root, self.run, self.attempts, self.ended):
            folder.mkdir(mode=0o755, parents=True, exist_ok=True)
