"""The `qd` command: `up`, `down`, `restore` and `sim` are built here, the rest is the CLI's."""

from __future__ import annotations

from quarterdeck.cli.main import LazyVerb, build_cli

WIRED = {
    "up": LazyVerb("quarterdeck.wiring.up:command", "Start a server."),
    "down": LazyVerb("quarterdeck.wiring.down:command", "End the server."),
    "restore": LazyVerb(
        "quarterdeck.wiring.restore:command", "Rebuild all state from the event log."
    ),
    "sim": LazyVerb("quarterdeck.wiring.simulate:command", "Run the simulator."),
}


def main() -> None:
    """Run `qd`."""
    build_cli(WIRED)()


if __name__ == "__main__":
    main()
