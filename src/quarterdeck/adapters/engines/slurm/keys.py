"""The comments by which batch jobs are known as ours, whoever submitted them and lost the answer.

Each names the home and the site: several homes, and several sites of one, may share a Slurm, and
none of them may touch the jobs of another.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.ports.engine import AttemptRef


@dataclass(frozen=True, slots=True)
class Keys:
    """Those of one site of a home."""

    home_id: str
    site: str

    @property
    def attempts(self) -> str:
        """How the comments of all attempts' batch jobs begin."""
        return f"qd:{self.home_id}:{self.site}:job:"

    @property
    def pilots(self) -> str:
        """How the comments of all pilots begin."""
        return f"qd:{self.home_id}:{self.site}:pilot:"

    def attempt(self, ref: AttemptRef) -> str:
        """An attempt's."""
        return f"{self.attempts}{ref.job_id}:{ref.attempt}"

    def pilot(self, node: str, number: int) -> str:
        """A pilot's."""
        return f"{self.pilots}{node}:{number}"


def make_keys(home_id: str, paths: SitePaths) -> Keys:
    """Those of the site that lies there: its folder has its name."""
    return Keys(home_id, paths.root.name)


def own_account() -> str:
    """Whose jobs ours are, in Slurm's words."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
