"""`qd` starts quickly, because it imports only what the verb at hand needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from quarterdeck.cli.main import VERBS, LazyVerb, build_cli

HEAVY = ("pydantic", "httpx2", "ruamel", "pathspec", "asyncio", "quarterdeck.wire")
MAIN = "from quarterdeck.cli.main import build_cli; build_cli({})()"


def qd(*arguments: str, code: str = MAIN, **options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *options.get("python", "").split(), "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def imported(*arguments: str) -> set[str]:
    """Names of all modules that the command imported."""
    done = qd(*arguments, python="-X importtime")
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


@pytest.mark.parametrize("verb", ["", *VERBS])
def test_help_imports_neither_the_client_nor_its_models(verb: str) -> None:
    found = imported(*([verb] if verb else []), "--help")
    assert "click" in found
    assert {name for name in found if name.split(".")[0] in HEAVY or name in HEAVY} == set()


def test_the_list_of_verbs_imports_no_verb() -> None:
    assert not [name for name in imported("--help") if name.startswith("quarterdeck.cli.verbs.")]


def test_every_verb_is_listed_and_says_what_it_does() -> None:
    listing = qd("--help").stdout.split("Commands:")[1]
    assert [line.split()[0] for line in listing.strip().splitlines()] == list(VERBS)
    for verb in VERBS:
        assert qd(verb, "--help").stdout.startswith(f"Usage: -c {verb} [OPTIONS]")


def test_verbs_that_are_wired_elsewhere_are_verbs_like_the_others() -> None:
    up = LazyVerb("quarterdeck.cli.verbs.openapi:command", "Start a server.")
    group = build_cli({"up": up})
    context = group.make_context("qd", ["up"])
    assert group.list_commands(context)[0] == "up"
    assert group.get_command(context, "up") is up.load()


def test_a_verb_that_does_not_exist_is_wrong_usage() -> None:
    done = qd("sbumit")
    assert done.returncode == 2
    assert "No such command 'sbumit'" in done.stderr
