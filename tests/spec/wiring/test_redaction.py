"""Whatever a log may have caught, a support bundle does not show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from quarterdeck.wiring.support.redaction import known_secrets, without_secrets


def shown(text: str, *secrets: str) -> str:
    return without_secrets(text.encode(), secrets).decode()


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("store postgresql://ada:hunter2@db/x", "hunter2"),
        ("store postgresql://db/x?user=ada&password=hunter2", "hunter2"),
        ("POST https://hooks.example.org/services/T0/B0/hunter2 failed", "hunter2"),
        ("GET https://example.org?key=hunter2", "hunter2"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
        ("Authorization: Bearer hunter2", "hunter2"),
        ('{"password": "hunter2"}', "hunter2"),
        ("WANDB_API_KEY=hunter2", "hunter2"),
        ("token: hunter2", "hunter2"),
        ("signed with whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "MfKQ9r8"),
        ("key 0123456789abcdef0123456789abcdef", "89abcdef"),
        ("key abc/defghijklmnopqrstuvwxyz/0123456789", "0123456789"),
        ("in /srv/0123456789abcdef0123456789abcdef/x", "89abcdef"),
    ],
)
def test_a_secret_is_taken_out(text: str, secret: str) -> None:
    assert secret in text
    assert secret not in shown(text)


def test_a_known_secret_is_taken_out_wherever_it_stands() -> None:
    assert shown("said hunter2 loudly", "hunter2") == "said (removed) loudly"
    assert b"hunter2" not in without_secrets(b"\xff hunter2 \xfe", ["hunter2"])


@pytest.mark.parametrize(
    "text",
    [
        "the server listens at http://127.0.0.1:8080",
        "see /home/ada/.quarterdeck/sites/local/run/launcher.log for more",
        "2026-11-23 18:09:28,314 INFO quarterdeck.adapters.engines.local.engine: ready",
        "attempt 3 of j7k2m9q4xw ended: out_of_memory",
        "postgresql://db/x",
        "token       /home/ada/.quarterdeck/token, only its owner's",
    ],
)
def test_what_helps_stays_as_it_is(text: str) -> None:
    assert shown(text) == text


def test_the_token_and_variables_with_telling_names_are_known(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("of-this-home\n")
    environment = {
        "HF_TOKEN": "hf_hunter2",
        "PGPASSWORD": "swordfish",
        "aws_secret_access_key": "opensesame",
        "API_KEY": "abc",
        "HOME": "/home/ada",
    }
    found = known_secrets(tmp_path, environment)
    assert sorted(found) == ["hf_hunter2", "of-this-home", "opensesame", "swordfish"]
    assert known_secrets(tmp_path / "absent", {}) == []


def test_no_secret_is_an_empty_or_a_short_word() -> None:
    assert shown("a b c", *known_secrets(Path("/nowhere"), {"KEY": "", "TOKEN": "b"})) == "a b c"
