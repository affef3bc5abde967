"""Family 21, log and terminal injection: what a job left drives the terminal of a reader."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from quarterdeck.cli.output import inert

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.deck import Deck
    from tests.security.wire import Address

TITLE = "\x1b]0;owned\x07"
ATTACKS = (
    TITLE, "\x1b[2J\x1b[H", "\x1b[31mred", "\x9b31m", "\x1bP+q544e\x1b\\", "a\rb", "\x08\x08\x08",
    "\x1b]8;;http://evil.example\x1b\\x\x1b]8;;\x1b\\", "\u202egnp.exe", "\x7f", "\x00",
)  # fmt: skip
OBEYED = ("\x1b", "\x9b", "\x07", "\x08", "\r", "\x7f", "\x00", "\u202e")


def check_shown(text: str) -> None:
    for one in OBEYED:
        assert one not in text, ascii(text)


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_a_terminal_obeys_is_spelled_out(attack: str) -> None:
    check_shown(inert(attack))
    assert inert(f'"{attack}"') != f'"{attack}"'
    assert inert("Grüße, 船\n\tja") == "Grüße, 船\n\tja"


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_name_holds_a_control_character(server: Address, attack: str) -> None:
    for field in ("name", "team"):
        body = json.dumps({"run": "true", field: f"a{attack}"}).encode()
        assert server.ask("/v1/jobs", "POST", body=body).problem == "invalid"


def test_no_verb_drives_the_terminal(
    deck: Deck, server: Address, job_id: str, tmp_path: Path
) -> None:
    for attack in ATTACKS:
        note = json.dumps({"text": f"note {attack}."}).encode()
        server.ask(f"/v1/jobs/{job_id}/notes", "POST", body=note)
        tags = {"run": ["true", attack], "tags": {"k": attack}, "env": {"A": attack}}
        server.ask("/v1/jobs", "POST", body=json.dumps(tags).encode())
    for verb in (("ps", "-a"), ("show", job_id), ("queue",), ("explain", job_id), ("top", "--once"),
                 ("results", job_id), ("results", job_id, "-q"), ("show", job_id, "-o", "json"),
                 ("results", job_id, "-o", str(tmp_path / "saved")), ("note", job_id, "x"),
                 ("show", TITLE), ("webhook", "list"), ("metrics", job_id), ("gc", "--plan"),
                 ("cancel", TITLE), ("ps", "--tag", f"k={TITLE}"), ("run", "--name", TITLE, "true"),
                 ("validate", TITLE), ("node",), ("logs", TITLE)):  # fmt: skip
        done = deck.qd(*verb)
        check_shown(done.stdout)
        check_shown(done.stderr)
    shown = deck.qd("show", job_id).stdout
    assert "note \\u001b[31mred." in shown
    names = deck.qd("results", job_id, "-o", "name").stdout.splitlines()
    assert [name for name in names if name.startswith("a\\u001b]0;owned")]


def test_a_log_is_what_the_job_wrote(deck: Deck, job_id: str) -> None:
    """Colours are wanted there, and whoever pipes it wants the bytes: `qd logs` is like `cat`."""
    assert TITLE in deck.qd("logs", job_id).stdout
