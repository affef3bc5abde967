"""`qd completion`: verbs, options and job ids at the press of a key."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from quarterdeck.cli.output import examples


@click.command(
    epilog=examples(
        'eval "$(qd completion bash)"    # in ~/.bashrc',
        'eval "$(qd completion zsh)"     # in ~/.zshrc',
        "qd completion fish | source     # in ~/.config/fish/config.fish",
    )
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the script that makes SHELL complete `qd`."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    root = ctx.find_root().command
    click.echo(kind(root, {}, "qd", "_QD_COMPLETE").source())
