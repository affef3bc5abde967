"""`qd webhook`: who is told when jobs change their state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quarterdeck.cli.completion import job_states
from quarterdeck.cli.errors import JOB_FAILED
from quarterdeck.cli.output import (
    age,
    dry_run_option,
    examples,
    output_option,
    print_json,
    print_short,
    print_table,
    say,
)

if TYPE_CHECKING:
    from quarterdeck.wire.v1.webhooks import WebhookView


@click.group(no_args_is_help=True, epilog=examples("qd webhook list"))
def command() -> None:
    """Tell other programs, by a signed HTTP POST, when jobs change their state."""


@command.command(epilog=examples("qd webhook add https://example.org/qd --on failed"))
@click.argument("url")
@click.option(
    "--on",
    "states",
    multiple=True,
    metavar="STATE",
    shell_complete=job_states,
    help="Only this state; repeatable.",
)
@click.option("--secret", metavar="whsec_…", help="Sign with this; otherwise one is made up.")
@dry_run_option
@output_option
def add(url: str, states: tuple[str, ...], secret: str | None, dry_run: bool, output: str) -> None:
    """Have changes of state POSTed to URL from now on. The secret is printed this once."""
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.webhooks import WebhookRequest

    request = WebhookRequest(url=url, states=list(states), secret=secret)
    with Client() as client:
        made = client.add_webhook(request, dry_run=dry_run)
    if output == "json":
        print_json(made)
    elif dry_run:
        say(f"would send {_told_of(made)} to {made.url}")
    elif output == "name":
        say(made.id)
    else:
        say(f"{made.id} sends {_told_of(made)} to {made.url}")
        say(f"secret: {made.secret}")
        say("keep it for the receiver: it is not shown again", err=True)


@command.command(name="list", epilog=examples("qd webhook list", "qd webhook list -q"))
@output_option
def list_all(output: str) -> None:
    """List webhooks, and how telling each of them goes."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        listed = client.list_webhooks()
    if print_short(output, listed, *(hook.id for hook in listed.webhooks)):
        return
    rows = [
        (
            hook.id,
            hook.condition,
            ",".join(hook.states) or "all",
            age(hook.last_success_at),
            age(hook.last_failure_at),
            hook.backlog,
            hook.url,
        )
        for hook in listed.webhooks
    ]
    print_table(("ID", "CONDITION", "ON", "DELIVERED", "FAILED", "BACKLOG", "URL"), rows)
    for hook in listed.webhooks:
        if hook.condition != "good":
            say(f"{hook.id}: {hook.last_failure}")


@command.command(epilog=examples("qd webhook remove WEBHOOK"))
@click.argument("webhook_id", metavar="ID")
@dry_run_option
@output_option
def remove(webhook_id: str, dry_run: bool, output: str) -> None:
    """Tell it no more."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        client.remove_webhook(webhook_id, dry_run=dry_run)
    if output == "json":
        say(f'{{"id": "{webhook_id}", "removed": {str(not dry_run).lower()}}}')
    elif output == "name":
        say(webhook_id)
    else:
        say(f"{'would remove' if dry_run else 'removed'} {webhook_id}")


@command.command(epilog=examples("qd webhook test WEBHOOK"))
@click.argument("webhook_id", metavar="ID")
@dry_run_option
@output_option
def test(webhook_id: str, dry_run: bool, output: str) -> None:
    """Send it a message that means nothing, now; exit with 1 if it does not arrive."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        outcome = client.test_webhook(webhook_id, dry_run=dry_run)
    if not print_short(output, outcome, webhook_id):
        say(f"{webhook_id} {'delivered: ' if outcome.delivered else ''}{outcome.message}")
    if not outcome.delivered and not dry_run:
        raise SystemExit(JOB_FAILED)


def _told_of(hook: WebhookView) -> str:
    return ", ".join(f"job.{state}" for state in hook.states) or "every change of state"
