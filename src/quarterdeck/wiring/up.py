"""`qd up`: start a server on a home, in this terminal or detached from it."""

from __future__ import annotations

import json
import logging
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import click

from quarterdeck.basics.errors import QuarterdeckError, Refused
from quarterdeck.wiring.home import Home, default_home
from quarterdeck.wiring.settings import Settings

READY_S_MAX = 120.0
READY_FD = "QD_READY_FD"
log = logging.getLogger(__name__)


@click.command()
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option("--host", default="127.0.0.1", help="Address to listen on.", show_default=True)
@click.option("--port", default=0, help="Port; 0 takes a free one.", type=click.IntRange(0, 65535))
@click.option("--pretend", metavar="SHAPE:N", help="Imaginary nodes, for example dgx-a100:2.")
@click.option("--store", metavar="URL", help="postgresql://… instead of the home's SQLite file.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="PEM file of the certificate.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="PEM file of its key.")
@click.option("--behind-proxy", is_flag=True, help="A proxy in front speaks TLS.")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Host name to answer to.")
@click.option(
    "--webhooks-to-private-addresses/--no-webhooks-to-private-addresses",
    default=None,
    envvar="QD_WEBHOOKS_TO_PRIVATE_ADDRESSES",
    help="Webhooks may lead to this machine and its network [only if nobody else can ask].",
)
@click.option("--detach", is_flag=True, help="Return when the server is ready.")
def command(home: Path | None, *, detach: bool, **options: Any) -> None:  # noqa: ANN401 - Settings checks them
    """Start a server. Jobs that were running go on as if nothing had happened."""
    allowed = frozenset(options.pop("allow_host"))
    options["store"] = options["store"] or os.environ.get("QD_STORE")
    settings = Settings(home=(home or default_home()).absolute(), allowed_hosts=allowed, **options)
    if detach:
        _start_detached(settings.home)
    else:
        _serve(settings)


def _serve(settings: Settings) -> None:
    """Run the server in this process."""
    from quarterdeck.wiring.server import Server

    ready = os.environ.pop(READY_FD, None)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        with Home(settings.home) as home:
            server = Server(settings, home)
            server.run(lambda: _say_ready(ready, server.url, settings))
    except QuarterdeckError as error:
        if ready is not None:
            _tell(ready, {"error": error.message, "hint": error.hint, "code": error.code})
        raise


def _say_ready(ready: str | None, url: str, settings: Settings) -> None:
    if ready is not None:
        _tell(ready, {"url": url, "pid": os.getpid()})
    else:
        pretended = f" (pretending {settings.pretend})" if settings.pretend else ""
        click.echo(f"quarterdeck is ready at {url}{pretended}; end it with ctrl-c or `qd down`")


def _start_detached(home: Path) -> None:
    """Start the same command without `--detach` in a session of its own, and wait for its word."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    arguments = [argument for argument in sys.argv[1:] if argument != "--detach"]
    reader, writer = os.pipe()
    with (home / "server.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "quarterdeck.wiring.entry", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=(writer,),
            env={**os.environ, READY_FD: str(writer)},
        )
    os.close(writer)
    word = _read_word(reader)
    if "url" in word:
        click.echo(f"quarterdeck is ready at {word['url']} (pid {word['pid']}, home {home})")
        return
    if process.poll() is None and not word:
        process.terminate()
    raise Refused(
        word.get("error") or "the server ended before it was ready",
        code=word.get("code"),
        hint=word.get("hint") or f"see {home / 'server.log'}",
    )


def _tell(ready: str, word: dict[str, object]) -> None:
    handle = int(ready)
    os.write(handle, json.dumps(word).encode() + b"\n")
    os.close(handle)


def _read_word(reader: int) -> dict[str, str]:
    if not select.select([reader], [], [], READY_S_MAX)[0]:
        return {}
    with os.fdopen(reader) as stream:
        line = stream.readline()
    return dict(json.loads(line)) if line else {}
