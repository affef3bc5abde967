"""A record has one way to be written, and nothing in it can get out of its line."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.audit.checkpoint import (
    Checkpoint,
    PublicKey,
    open_checkpoint,
    parse_key,
    sign_checkpoint,
)
from quarterdeck.core.audit.examine import Examination
from quarterdeck.core.audit.merkle import Frontier, hash_leaf
from quarterdeck.core.audit.record import (
    TEXT_CHARS_MAX,
    Entry,
    bounded,
    format_record,
    parse_record,
)

ENTRY = Entry("submit_job", actor="ada", method="POST", path="/v1/jobs", status=201)
HOSTILE = [
    "a\nb", "a\r\n{}", "\x1b[2J\x1b]0;x\x07", "\x9b31m", "\x7f", "\u2028", "\u202e", "\ud800",
    '","outcome":"allowed', "\x00", "=cmd()", "é漢🙂",
]  # fmt: skip
KEY = PublicKey("quarterdeck.audit/h0me", bytes(range(32)))


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_whatever_a_name_holds_stays_in_its_line_and_comes_back(text: str) -> None:
    line = format_record(replace(ENTRY, actor=text, path=text, detail=text), 7, 8, 9)
    assert all(0x20 <= byte < 0x7F for byte in line)
    record = parse_record(line)
    assert (record.actor, record.path, record.detail) == (text, text, text)
    assert (record.seq, record.at_ns, record.missing, record.outcome) == (7, 8, 9, "allowed")


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line + b" ",
        lambda line: line.replace(b":", b": ", 1),
        lambda line: line.replace(b'"seq":7', b'"seq":07'),
        lambda line: line.replace(b'"seq":7', b'"seq":7.0'),
        lambda line: line.replace(b'"seq":7', b'"seq":true'),
        lambda line: line.replace(b'"seq":7', b'"seq":-7'),
        lambda line: line.replace(b'"status":201', b'"status":"201"'),
        lambda line: line.replace(b'"allowed"', b'"granted"'),
        lambda line: line.replace(b'"ada"', b'"\\u0061da"'),
        lambda line: line.replace(b'"ada"', '"ädä"'.encode()),
        lambda line: line.replace(b'"seq":7', b'"seq":7,"seq":7'),
        lambda line: line[:-1] + b',"more":1}',
        lambda line: b"[" * 100_000,
        lambda line: b"",
    ],
)  # fmt: skip
def test_only_what_this_log_writes_is_a_record(change: Callable[[bytes], bytes]) -> None:
    line = format_record(ENTRY, 7, 8)
    assert parse_record(line).seq == 7
    with pytest.raises(Invalid) as caught:
        parse_record(change(line))
    assert caught.value.code == "bad_audit_record"


def test_texts_are_cut_to_a_length_that_can_be_seen() -> None:
    entry = bounded(replace(ENTRY, path="/" + "x" * 10_000))
    assert len(entry.path) == TEXT_CHARS_MAX
    assert entry.path.endswith("…")
    assert bounded(ENTRY) is ENTRY


def test_a_key_is_written_so_that_it_is_read_again_and_a_wrong_one_is_refused() -> None:
    text = str(KEY)
    assert parse_key(f"{text}\n") == KEY
    flipped = text[:-2] + ("A" if text[-2] != "A" else "B") + text[-1]
    for wrong in ("", "a+b+c", flipped, text.replace("h0me", "other")):
        with pytest.raises(Invalid):
            parse_key(wrong)


def test_a_checkpoint_is_a_signed_note_that_only_its_key_opens() -> None:
    checkpoint = Checkpoint(KEY.name, 3, hash_leaf(b"x"))
    note = sign_checkpoint(checkpoint, KEY, lambda text: b"s" * 60 + bytes([len(text)]))
    assert note.split("\n")[:2] == [KEY.name, "3"]
    assert open_checkpoint(note, KEY, lambda text, signature: signature[60] == len(text)) == (
        checkpoint
    )
    for wrong in (note.replace("\n3\n", "\n4\n"), note.split("\n\n")[0], "", note[:-10]):
        with pytest.raises(Invalid) as caught:
            open_checkpoint(wrong, KEY, lambda text, _: text == checkpoint.text.encode())
        assert caught.value.code == "bad_checkpoint"


LINES = [format_record(ENTRY, seq, 1000 + seq) for seq in range(20)]


def signed_at(size: int) -> Checkpoint:
    frontier = Frontier()
    for line in LINES[:size]:
        frontier.add(hash_leaf(line))
    return Checkpoint(KEY.name, size, frontier.root())


def findings_of(lines: list[bytes], *sizes: int) -> list[str]:
    examination = Examination(map(signed_at, sizes))
    for line in lines:
        examination.read(line)
    return examination.end()


def test_a_log_that_is_whole_has_no_findings_also_against_old_checkpoints() -> None:
    assert findings_of(LINES, 20, 13, 1, 0) == []
    assert findings_of([*LINES, format_record(ENTRY, 20, 5000)], 20) == []


@pytest.mark.parametrize("place", range(20))
def test_any_record_that_is_changed_dropped_inserted_moved_or_cut_is_found(place: int) -> None:
    line = LINES[place]
    for byte in range(0, len(line), 7):
        flipped = line[:byte] + bytes([line[byte] ^ 1]) + line[byte + 1 :]
        assert findings_of([*LINES[:place], flipped, *LINES[place + 1 :]], 20)
    assert findings_of([*LINES[:place], *LINES[place + 1 :]], 20)
    assert findings_of([*LINES[:place], line, *LINES[place:]], 20)
    assert findings_of(LINES[:place], 20)
    if place:
        moved = [*LINES]
        moved[place - 1], moved[place] = moved[place], moved[place - 1]
        assert findings_of(moved, 20)


def test_a_log_written_anew_with_good_numbers_is_found_by_an_old_checkpoint() -> None:
    """Everything in it fits, and whoever holds the key can sign it: but it was another once."""
    forged = [format_record(replace(ENTRY, actor="eve"), seq, 1000 + seq) for seq in range(20)]
    assert findings_of(forged) == []
    (finding,) = findings_of(forged, 13)
    assert "fork" in finding
    (finding,) = findings_of(LINES[:5] + forged[5:], 5, 13)
    assert "from record 5 on" in finding


def test_time_that_goes_back_inside_the_log_is_found() -> None:
    changed = json.loads(LINES[3])
    lines = [LINES[0], format_record(ENTRY, 1, changed["at_ns"] - 100)]
    assert "older" in findings_of(lines)[0]
