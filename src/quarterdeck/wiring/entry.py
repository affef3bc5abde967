"""The `qd` command: verbs that run or need the server's own parts are built here, the rest is the
CLI's."""

from __future__ import annotations

from quarterdeck.cli.main import LazyVerb, build_cli

WIRED = {
    "up": LazyVerb("quarterdeck.wiring.up:command", "Start a server."),
    "down": LazyVerb("quarterdeck.wiring.down:command", "End the server."),
    "doctor": LazyVerb(
        "quarterdeck.wiring.doctor.command:command", "Say what this machine can and cannot do."
    ),
    "site": LazyVerb("quarterdeck.wiring.sites:command", "Connect, draw, make and import sites."),
    "policy": LazyVerb(
        "quarterdeck.wiring.policies:command", "Show, check and try what the scheduler follows."
    ),
    "audit": LazyVerb("quarterdeck.wiring.audit:command", "Search and verify who did what."),
    "support-bundle": LazyVerb(
        "quarterdeck.wiring.support.command:command", "Collect what helps to find a fault."
    ),
    "restore": LazyVerb(
        "quarterdeck.wiring.restore:command", "Rebuild all state from the event log."
    ),
    "sim": LazyVerb("quarterdeck.wiring.simulate.command:command", "Run the simulator."),
    "validate": LazyVerb(
        "quarterdeck.wiring.jobfile:validate_command", "Check job files, offline."
    ),
    "schema": LazyVerb(
        "quarterdeck.wiring.jobfile:schema_command", "Print the job file's JSON Schema."
    ),
}


def main() -> None:
    """Run `qd`."""
    build_cli(WIRED)()


if __name__ == "__main__":
    main()
