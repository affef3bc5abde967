"""`qd top`: a live picture of what runs and how far it is."""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from quarterdeck.basics.errors import Unavailable
from quarterdeck.basics.quantities import format_span
from quarterdeck.cli.output import age, examples, inert, output_option, print_json, say
from quarterdeck.cli.progress import draw_bar, values_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.metrics import ProgressView

CLEAR_LINE, CLEAR_REST, HOME = "\x1b[K", "\x1b[J", "\x1b[H"
ENTER, LEAVE = "\x1b[?1049h\x1b[?25l", "\x1b[?25h\x1b[?1049l"


@click.command(epilog=examples("qd top", "qd top --once -o json"))
@click.option("--once", is_flag=True, help="Print it once and return.")
@click.option("--every", "every_s", type=click.FloatRange(0.2, 3600), default=2.0, help="Seconds.")
@output_option
def command(every_s: float, output: str, *, once: bool) -> None:
    """Show running jobs, how far they are, and how full the nodes are. `q` ends it."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        if output == "json":
            print_json(client.list_progress())
        elif output == "name":
            for view in client.list_progress().jobs:
                say(view.job_id)
        elif once or not (sys.stdout.isatty() and sys.stdin.isatty()):
            width = shutil.get_terminal_size((100, 24)).columns
            say("\n".join(_picture(client, width, 10_000)))
        else:
            _watch(client, every_s)


def _watch(client: Client, every_s: float) -> None:
    with _whole_screen():
        while True:
            columns, lines = shutil.get_terminal_size((80, 24))
            try:
                picture = _picture(client, columns, lines - 1)
            except Unavailable as error:
                picture = [f"no server answers: {error}"[:columns]]
            text = "".join(f"{line}{CLEAR_LINE}\r\n" for line in picture)
            sys.stdout.write(f"{HOME}{text}{CLEAR_REST}")
            sys.stdout.flush()
            if select.select([sys.stdin], [], [], every_s)[0] and _is_end(sys.stdin.fileno()):
                return


def _is_end(keyboard: int) -> bool:
    return os.read(keyboard, 64)[:1] in (b"q", b"Q", b"\x1b", b"")


def _picture(client: Client, columns: int, lines: int) -> list[str]:
    """The whole screen, as wide and as long as there is room for."""
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    nodes = client.list_nodes().nodes
    running = client.list_progress().jobs
    queue = client.get_queue(limit=1)
    gpus, free = sum(node.gpus for node in nodes), sum(node.gpus_free for node in nodes)
    cpus, cpus_free = sum(node.cpus for node in nodes), sum(node.cpus_free for node in nodes)
    told = [f"{len(running)} running, {queue.length} queued", f"{len(nodes)} nodes"]
    if gpus:
        bar = draw_bar(gpus - free, gpus, 16, is_unicode=is_unicode)
        told.append(f"GPUs {bar} {gpus - free}/{gpus}")
        states = Counter(state for node in nodes for state in node.gpu_states)
        if states["others"]:
            told[-1] += f" ({states['others']} by others)"
    told.append(f"CPUs {cpus - cpus_free}/{cpus}")
    head = "   ".join(told)
    rows = [head[:columns], ""]
    rows.append(f"{'ID':10}  {'NAME':14}  {'RUN TIME':>8}  {'PROGRESS':27}  {'LEFT':>7}  LATEST")
    rows += [_row(view, is_unicode=is_unicode) for view in running]
    if not running:
        rows.append("nothing runs")
    return [inert(row)[:columns] for row in rows[:lines]]


def _row(view: ProgressView, *, is_unicode: bool) -> str:
    progress = "-"
    if view.step is not None and view.total:
        bar = draw_bar(view.step, view.total, 10, is_unicode=is_unicode)
        progress = f"{bar} {view.step:.10g}/{view.total:.10g}"
    elif view.step is not None:
        progress = f"step {view.step:.10g}"
    left = "-" if view.left_s is None else format_span(view.left_s)
    latest = ", ".join(values_of(view)) or "-"
    run_time = age(view.started_at)
    return (
        f"{view.job_id:10}  {view.name[:14]:14}  {run_time:>8}  {progress:27}  {left:>7}  {latest}"
    )


@contextmanager
def _whole_screen() -> Iterator[None]:
    """The terminal's other screen, keys as they come; all as before at the end."""
    import termios
    import tty

    keyboard = sys.stdin.fileno()
    before = termios.tcgetattr(keyboard)
    sys.stdout.write(ENTER)
    try:
        tty.setcbreak(keyboard)
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
        sys.stdout.write(LEAVE)
        sys.stdout.flush()
