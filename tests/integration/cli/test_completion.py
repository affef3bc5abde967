"""What a real bash offers when somebody presses the key, and how quickly."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Event
from time import monotonic

import pytest

from tests.integration.cli.terminal import environment
from tests.integration.sdk.scripted import (
    JOB_ID,
    OTHER_ID,
    Answer,
    Asked,
    Script,
    as_json,
    job,
    make_home,
    serving,
)

QUICK_S = 0.15
HEAVY = ("pydantic", "httpx2", "ruamel", "pathspec", "asyncio", "fastapi", "sqlalchemy")
PAGE = as_json({"jobs": [job(), job("running", id=OTHER_ID, name="sweep")], "next_before": None})
SCRIPT = 'eval "$(qd completion bash)"'
PRESS = """
press() {
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
    COMPREPLY=()
    local spec; spec=$(complete -p qd)
    [[ $spec =~ -F\\ ([a-zA-Z0-9_]+) ]] || exit 9
    "${BASH_REMATCH[1]}" qd "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
    printf '%s\\n' "${COMPREPLY[@]}"
}
"""


def press(*words: str, url: str | None = None, home: Path | None = None) -> list[str]:
    """What bash puts into COMPREPLY for the words before the cursor, by the rule for `qd`."""
    line = " ".join(shlex.quote(word) for word in words)
    done = subprocess.run(
        [
            "bash",
            "--norc",
            "--noprofile",
            "-c",
            f'eval "$(qd completion bash)"\n{PRESS}press {line}',
        ],
        env=with_path(environment(url, home)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stderr == ""
    return [offer for offer in done.stdout.split("\n") if offer]


def with_path(variables: dict[str, str]) -> dict[str, str]:
    return variables | {"PATH": f"{Path(sys.executable).parent}:{variables['PATH']}"}


def complete(*words: str, url: str | None = None, home: Path | None = None) -> str:
    """The answer to one key press, without the shell around it."""
    variables = environment(url, home) | {
        "_QD_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    return subprocess.run(
        [Path(sys.executable).parent / "qd"],
        env=with_path(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    ).stdout


@pytest.mark.parametrize(
    ("words", "offers"),
    [
        (("qd", "su"), {"submit", "support-bundle"}),
        (("qd", "ca"), {"calendar", "cancel"}),
        (("qd", "run", "--ret"), {"--retry"}),
        (("qd", "ps", "-o", ""), {"table", "json", "name"}),
        (("qd", "ps", "-o", "js"), {"json"}),
        (("qd", "ps", "--state", "s"), {"starting", "stopping", "succeeded"}),
        (("qd", "run", "--priority", "h"), {"high"}),
        (("qd", "init", "-t", "tor"), {"torchrun"}),
        (("qd", "completion", "z"), {"zsh"}),
        (("qd", "webhook", "a"), {"add"}),
        (("qd", "cancel", "--dry"), {"--dry-run"}),
    ],
)
def test_verbs_options_formats_and_states_are_offered(
    words: tuple[str, ...], offers: set[str], tmp_path: Path
) -> None:
    assert set(press(*words, home=tmp_path)) == offers


def test_job_ids_are_offered_from_the_running_server() -> None:
    with serving(PAGE) as script:
        assert press("qd", "show", "", url=script.url) == [JOB_ID, OTHER_ID]
        assert press("qd", "show", OTHER_ID[:-1], url=script.url) == [JOB_ID, OTHER_ID]
        assert press("qd", "show", OTHER_ID, url=script.url) == [OTHER_ID]
        assert press("qd", "run", "--needs", "", url=script.url) == [JOB_ID, OTHER_ID]
    assert {asked.path.partition("?")[0] for asked in script.asked} == {"/v1/jobs"}
    assert all(asked.method == "GET" for asked in script.asked)


def test_only_jobs_that_the_verb_can_act_on_are_asked_for() -> None:
    with serving(PAGE) as script:
        complete("qd", "release", "", url=script.url)
        complete("qd", "cancel", "", url=script.url)
        complete("qd", "logs", "", url=script.url)
    released, cancelled, shown = (asked.path for asked in script.asked)
    assert "state=held" in released
    assert "state=running" in cancelled
    assert "state=failed" not in cancelled
    assert "state=" not in shown


def test_a_job_that_is_there_already_is_not_offered_again() -> None:
    with serving(PAGE) as script:
        assert press("qd", "cancel", JOB_ID, "", url=script.url) == [OTHER_ID]


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, b"no"),
        Answer(200, b"<html>"),
        Answer(200, b"[1]"),
        Answer(200, b'{"jobs": [{}]}'),
        Answer(cut=True),
    ],
)
def test_a_server_that_fails_is_silence(answer: Answer) -> None:
    with serving(answer) as script:
        assert press("qd", "show", "", url=script.url) == []


def test_no_server_is_silence(tmp_path: Path) -> None:
    assert press("qd", "show", "", home=tmp_path) == []
    gone = make_home(tmp_path / "gone", "http://127.0.0.1:9", pid=2**22 - 1)
    assert press("qd", "show", "", home=gone) == []


def test_the_list_of_verbs_and_the_ids_import_nothing_heavy() -> None:
    code = (
        "import sys, atexit; from quarterdeck.cli.main import build_cli;"
        "atexit.register(lambda: print('|', *sorted(sys.modules)));"
        "build_cli({})(prog_name='qd', complete_var='_QD_COMPLETE')"
    )
    for words, place in (("qd ", "1"), ("qd show ", "2")):
        asked = {"_QD_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": place}
        with serving(PAGE) as script:
            done = subprocess.run(
                [sys.executable, "-c", code],
                env=environment(script.url) | asked,
                capture_output=True,
                text=True,
                check=False,
            )
        offered, _, modules = done.stdout.rpartition("|")
        assert (JOB_ID if place == "2" else "submit") in offered, done
        found = set(modules.split())
        assert "quarterdeck.cli.main" in found
        assert {name for name in found if name.split(".")[0] in HEAVY} == set()
        if place == "1":
            assert not [name for name in found if name.startswith("quarterdeck.cli.verbs.")]


@pytest.mark.parametrize("words", [("qd", "su"), ("qd", "show", "")])
def test_an_answer_takes_less_than_150_ms(words: tuple[str, ...]) -> None:
    """The best of some tries: what else the machine does at the moment is not its fault."""
    with serving(PAGE) as script:
        quickest = min(timed(lambda: complete(*words, url=script.url)) for _ in range(24))
    assert quickest < QUICK_S


def timed(act: Callable[[], object]) -> float:
    began = monotonic()
    act()
    return monotonic() - began


@pytest.mark.parametrize(("shell", "sign"), [("zsh", "compdef"), ("fish", "complete --no-files")])
def test_other_shells_have_their_script(shell: str, sign: str) -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "qd", "completion", shell],
        capture_output=True,
        text=True,
        check=True,
    )
    assert sign in done.stdout
    assert "_QD_COMPLETE" in done.stdout
    assert "qd" in done.stdout


def test_a_slow_server_is_not_waited_for() -> None:
    class Slow(Script):
        def take(self, asked: Asked) -> Answer:
            with self.lock:
                self.asked.append(asked)
            Event().wait(5)
            return PAGE

    with serving(Slow()) as script:
        assert timed(lambda: complete("qd", "show", "", url=script.url)) < 3
