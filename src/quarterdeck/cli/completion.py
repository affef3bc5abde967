"""What the shell may complete: ids of the jobs there are, and the states that a job can be in.

The shell asks at every press of a key, so this is quick and never says why it has nothing to offer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

from quarterdeck.basics.errors import QuarterdeckError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

UNFINISHED: Final = ("held", "queued", "starting", "running", "stopping")
ENDED: Final = ("succeeded", "failed", "cancelled")
STATES: Final = (*UNFINISHED, *ENDED)


def job_argument(*states: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The argument ID of a verb for one job; the shell offers jobs in these states, or any."""
    return click.argument("job_id", metavar="ID", shell_complete=job_ids(states))


def job_arguments(*states: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The same for a verb that takes several."""
    return click.argument(
        "job_ids", metavar="ID...", nargs=-1, required=True, shell_complete=job_ids(states)
    )


def job_ids(states: Sequence[str] = ()) -> Completer:
    """Offers ids of jobs in these states, or in any."""

    def complete(
        ctx: click.Context,
        _parameter: click.Parameter,
        incomplete: str,
    ) -> list[CompletionItem]:
        from quarterdeck.sdk.glance import glance_at_jobs

        try:
            found = glance_at_jobs(states)
        except QuarterdeckError:
            return []
        given = ctx.params.get("job_ids") or ()
        return [
            CompletionItem(job_id, help=told)
            for job_id, told in found
            if job_id.startswith(incomplete) and job_id not in given
        ]

    return complete


def job_states(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offers states. Any word is passed on: the server knows which ones there are."""
    return [CompletionItem(state) for state in STATES if state.startswith(incomplete)]
