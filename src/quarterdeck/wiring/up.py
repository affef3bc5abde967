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
from quarterdeck.cli.output import dry_run_option, examples, output_option, print_done
from quarterdeck.wiring.home import Home, default_home
from quarterdeck.wiring.keep import parse_disk, parse_retention
from quarterdeck.wiring.limit import parse_limits
from quarterdeck.wiring.settings import Settings

READY_S_MAX = 120.0
READY_FD = "QD_READY_FD"
log = logging.getLogger(__name__)


@click.command(
    epilog=examples(
        "qd up",
        "qd up --detach --pretend dgx-a100:20",
        "qd up --site superpod.yaml",
        "qd up --dry-run --host 0.0.0.0 --behind-proxy",
    )
)
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option("--host", default="127.0.0.1", help="Address to listen on.", show_default=True)
@click.option("--port", default=0, help="Port; 0 takes a free one.", type=click.IntRange(0, 65535))
@click.option("--pretend", metavar="SHAPE:N", help="Imaginary nodes, for example dgx-a100:2.")
@click.option(
    "--site",
    type=click.Path(path_type=Path, resolve_path=True),
    envvar="QD_SITE",
    metavar="FILE",
    help="A site file whose nodes are pretended.",
)
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
@click.option(
    "--keep",
    multiple=True,
    metavar="KIND=SPAN[,SIZE]",
    help="Delete older ones, for example logs=30d,20GiB or results=forever [QD_KEEP_KIND].",
)
@click.option(
    "--disk-reserve",
    envvar="QD_DISK_RESERVE",
    metavar="SIZE",
    help="With less free, no new work [the larger of 256MiB and 1%].",
)
@click.option(
    "--ballast", envvar="QD_BALLAST", metavar="SIZE", help="Room for last words; 0: none [32MiB]."
)
@click.option(
    "--limit",
    multiple=True,
    metavar="NAME=NUMBER",
    help="A limit of the API, for example connections=200 [QD_LIMIT_NAME].",
)
@click.option(
    "--launcher",
    type=click.Path(path_type=Path, resolve_path=True),
    envvar="QD_LAUNCHER",
    metavar="SOCKET",
    help="Run jobs as the accounts of their owners, by this launcher [as the server's own].",
)
@click.option(
    "--jobs-folder",
    type=click.Path(path_type=Path, resolve_path=True),
    envvar="QD_JOBS_FOLDER",
    metavar="FOLDER",
    help="Where folders of jobs lie [in the home].",
)
@click.option(
    "--no-local",
    "has_local",
    flag_value=False,
    default=True,
    help="Run no job on this machine, only at connected sites.",
)
@click.option("--detach", is_flag=True, help="Return when the server is ready.")
@dry_run_option
@output_option
def command(
    home: Path | None,
    *,
    detach: bool,
    dry_run: bool,
    output: str,
    **options: Any,  # noqa: ANN401 - Settings checks them
) -> None:
    """Start a server. Jobs that were running go on as if nothing had happened."""
    allowed = frozenset(options.pop("allow_host"))
    options["store"] = options["store"] or os.environ.get("QD_STORE")
    options["retention"] = parse_retention(options.pop("keep"), os.environ)
    options["limits"] = parse_limits(options.pop("limit"), os.environ)
    options |= parse_disk(options.pop("disk_reserve"), options.pop("ballast"))
    settings = Settings(home=(home or default_home()).absolute(), allowed_hosts=allowed, **options)
    _check_nodes(settings)
    if dry_run:
        _check(settings, output)
    elif detach:
        _start_detached(settings.home, output)
    else:
        _serve(settings, output)


def _check_nodes(settings: Settings) -> None:
    """Before anything is made: whether the nodes to be pretended can be."""
    from quarterdeck.wiring.site.imagine import imagine_nodes

    imagine_nodes(settings)


def _check(settings: Settings, output: str) -> None:
    """Everything that can be checked without writing anything."""
    from quarterdeck.wiring.listener import listen
    from quarterdeck.wiring.policy.in_force import FILE, load_followed

    Home(settings.home).check_free()
    load_followed(settings.home / FILE, 0)
    listen(settings).close()
    told = f"would start a server on the home {settings.home}, listening on {settings.host}"
    print_done(output, told, home=settings.home, host=settings.host, started=False)


def _serve(settings: Settings, output: str) -> None:
    """Run the server in this process."""
    from quarterdeck.wiring.server import Server

    ready = os.environ.pop(READY_FD, None)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        with Home(settings.home) as home:
            server = Server(settings, home)
            server.run(lambda: _say_ready(ready, server.url, settings, output))
    except QuarterdeckError as error:
        if ready is not None:
            _tell(ready, {"error": error.message, "hint": error.hint, "code": error.code})
        raise


def _say_ready(ready: str | None, url: str, settings: Settings, output: str) -> None:
    if ready is not None:
        _tell(ready, {"url": url, "pid": os.getpid()})
    else:
        imagined = settings.pretend or settings.site
        pretended = f" (pretending {imagined})" if imagined else ""
        told = f"quarterdeck is ready at {url}{pretended}; end it with ctrl-c or `qd down`"
        told += _claim_told(settings.home, url)
        print_done(output, told, url=url, pid=os.getpid(), home=settings.home)


def _claim_told(home: Path, url: str) -> str:
    """How to become the first owner, where the home's own token is no way in."""
    claim = home / "claim"
    if not claim.exists():
        return ""
    return f"\nnobody owns it yet: `qd login {url} --claim --name NAME < {claim}`"


def _start_detached(home: Path, output: str) -> None:
    """Start the same command without `--detach` in a session of its own, and wait for its word."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    arguments = [argument for argument in sys.argv[1:] if argument != "--detach"]
    reader, writer = os.pipe()
    with (home / "server.log").open("ab") as server_log:
        process = subprocess.Popen(
            [sys.executable, "-m", "quarterdeck.wiring.entry", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=server_log,
            stderr=server_log,
            start_new_session=True,
            pass_fds=(writer,),
            env={**os.environ, READY_FD: str(writer)},
        )
    os.close(writer)
    word = _read_word(reader)
    if "url" in word:
        told = f"quarterdeck is ready at {word['url']} (pid {word['pid']}, home {home})"
        told += _claim_told(home, word["url"])
        print_done(output, told, url=word["url"], pid=word["pid"], home=home)
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
