"""The audit log of a real server: killed under load, exported, and then tampered with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.core.audit.record import parse_record
from quarterdeck.sdk import Client, JobRequest
from tests.e2e.deck import Deck, kill_and_wait, until

PRETEND = ("--pretend", "dgx-a100:1")
VERIFIER = Path(__file__).parents[2] / "tools" / "verify_audit.py"
HELD = {"run": ["true"], "hold": True}


def verifier(*arguments: str | Path) -> tuple[int, str]:
    """What the stand-alone verifier says, by a Python that knows nothing of the house."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", VERIFIER, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout + done.stderr


def test_the_verifier_is_short_and_needs_nothing() -> None:
    text = VERIFIER.read_text()
    assert len(text.splitlines()) <= 150
    named = {
        line.split()[1].partition(".")[0]
        for line in text.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert named <= set(sys.stdlib_module_names)


def test_every_write_that_was_answered_is_in_the_log_after_a_kill(deck: Deck) -> None:
    deck.up(*PRETEND)
    answered: list[str] = []
    is_over = threading.Event()

    def submit_until_it_breaks() -> None:
        with deck.client() as client:
            client.patience_s = 0
            while not is_over.is_set():
                try:
                    answered.append(client.submit(JobRequest.model_validate(HELD)).id)
                except QuarterdeckError:
                    return

    threads = [threading.Thread(target=submit_until_it_breaks) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: len(answered) > 150)
    kill_and_wait(deck.server_pid())
    is_over.set()
    for thread in threads:
        thread.join()
    deck.up_again()
    lines = [
        parse_record(line)
        for path in sorted((deck.home / "audit").glob("records-*.jsonl"))
        for line in path.read_bytes().splitlines()
    ]
    assert set(answered) <= {one.target for one in lines if one.operation == "submit_job"}
    assert [one.seq for one in lines] == list(range(len(lines)))
    assert deck.qd("audit", "verify", "--home", str(deck.home)).returncode == 0


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder: `export`, an older checkpoint `older`, and `stream`, the API's own file."""
    folder = tmp_path_factory.mktemp("audit")
    deck = Deck(folder / "home")
    try:
        deck.up(*PRETEND)
        with deck.client() as client:
            for _ in range(3):
                client.submit(JobRequest.model_validate(HELD))
            (folder / "older").write_text(client.audit.get_checkpoint().note)
            for _ in range(8):
                client.submit(JobRequest.model_validate(HELD))
            (folder / "stream").write_bytes(b"".join(client.audit.export()))
        done = deck.qd("audit", "export", str(folder / "export"))
        assert done.returncode == 0, done.stderr
    finally:
        deck.end()
    return folder


def test_the_verifier_finds_nothing_in_what_a_real_server_exports(exported: Path) -> None:
    export, older = exported / "export", exported / "older"
    assert verifier(export, "--older", older)[0] == 0
    assert verifier(export, "--key", export / "key.pub")[0] == 0
    assert verifier(exported / "stream", "--older", older)[0] == 0
    assert verifier(exported / "nothing")[0] == 2
    assert verifier(older)[0] == 2


def flip(lines: list[bytes]) -> list[bytes]:
    lines[4] = lines[4].replace(b"submit_job", b"submit_jos")
    return lines


TAMPERINGS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "one byte flipped": flip,
    "a record dropped": lambda lines: lines[:4] + lines[5:],
    "two records exchanged": lambda lines: [*lines[:4], lines[5], lines[4], *lines[6:]],
    "a record inserted": lambda lines: [*lines[:4], lines[4], *lines[4:]],
    "the tail cut": lambda lines: lines[:-1],
    "all gone": lambda lines: [],
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
def test_what_was_done_to_the_records_is_found_by_both_verifiers(
    exported: Path, tmp_path: Path, tampering: str
) -> None:
    shutil.copytree(exported / "export", tmp_path / "export")
    records = tmp_path / "export" / "records.jsonl"
    lines = TAMPERINGS[tampering](records.read_bytes().splitlines(keepends=True))
    records.write_bytes(b"".join(lines))
    code, told = verifier(tmp_path / "export")
    assert code == 1, told
    done = Deck(tmp_path / "home").qd("audit", "verify", str(tmp_path / "export"), "-o", "json")
    assert done.returncode == 1, done.stdout
    assert json.loads(done.stdout)["findings"]


@pytest.mark.parametrize("name", ["records.jsonl", "checkpoint", "key.pub"])
def test_any_flipped_bit_of_an_export_is_found(exported: Path, tmp_path: Path, name: str) -> None:
    """In steps, because each is a process."""
    shutil.copytree(exported / "export", tmp_path / "export")
    whole = (tmp_path / "export" / name).read_bytes()
    for place in range(0, len(whole) - 1, max(1, len(whole) // 12)):
        changed = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
        (tmp_path / "export" / name).write_bytes(changed)
        assert verifier(tmp_path / "export")[0] in (1, 2), place


def test_a_signature_of_another_key_is_none(exported: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    deck = Deck(other)
    try:
        deck.up(*PRETEND)
        with deck.client() as client:
            (tmp_path / "key.pub").write_text(client.audit.get_checkpoint().key)
    finally:
        deck.end()
    code, told = verifier(exported / "export", "--key", tmp_path / "key.pub")
    assert (code, "no valid signature" in told) == (1, True)


def test_a_home_put_back_from_a_copy_is_found_by_who_remembers(deck: Deck, tmp_path: Path) -> None:
    """First it is shorter than what was signed; once it has grown it is a fork."""
    remembered = str(tmp_path / "remembered")
    verify = ("audit", "verify", "--remember", remembered)
    deck.up(*PRETEND)
    submit(deck, 2)
    assert deck.qd("down").returncode == 0
    shutil.copytree(deck.home / "audit", tmp_path / "copy")
    deck.up_again()
    submit(deck, 10)
    assert deck.qd(*verify).returncode == 0
    assert deck.qd(*verify).returncode == 0
    submit(deck, 5)
    assert deck.qd(*verify).returncode == 0
    assert deck.qd("down").returncode == 0
    shutil.rmtree(deck.home / "audit")
    shutil.copytree(tmp_path / "copy", deck.home / "audit")
    deck.up_again()
    rolled_back = deck.qd(*verify)
    assert (rolled_back.returncode, "rolled back" in rolled_back.stdout) == (1, True)
    submit(deck, 40)
    forked = deck.qd(*verify)
    assert (forked.returncode, "fork" in forked.stdout) == (1, True)
    assert deck.qd("audit", "export", str(tmp_path / "export")).returncode == 0
    code, told = verifier(tmp_path / "export", "--older", remembered)
    assert (code, "not what was signed" in told) == (1, True)
    assert verifier(tmp_path / "export")[0] == 0


def test_a_tail_that_is_cut_off_is_named_at_the_next_start_and_for_ever(deck: Deck) -> None:
    deck.up(*PRETEND)
    submit(deck, 5)
    assert deck.qd("down").returncode == 0
    (path,) = (deck.home / "audit").glob("records-*.jsonl")
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    deck.up_again()
    assert "the audit log is damaged" in deck.server_log()
    newest = deck.qd_json("audit", "search", "--operation", "audit_damaged")
    assert "damaged-1" in newest[0]["detail"]
    done = deck.qd("audit", "verify", "--home", str(deck.home))
    assert (done.returncode, "damaged-1" in done.stdout) == (1, True)


def submit(deck: Deck, count: int) -> None:
    client: Client
    with deck.client() as client:
        for _ in range(count):
            client.submit(JobRequest.model_validate(HELD))
