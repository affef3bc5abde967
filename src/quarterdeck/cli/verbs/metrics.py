"""`qd metrics`: what a job told of itself, as a table or as a picture."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quarterdeck.basics.errors import NotFound, Refused
from quarterdeck.cli.completion import job_argument
from quarterdeck.cli.output import examples, output_option, print_json, print_table, say

if TYPE_CHECKING:
    from quarterdeck.cli.plot import Curve
    from quarterdeck.wire.v1.metrics import MetricsView, SeriesView

PLOT_ROWS = 16
PLOT_COLUMNS_MAX = 120
POINTS_SHOWN = 20


@click.command(
    epilog=examples(
        "qd metrics j7k2m9q4xw",
        "qd metrics j7k2m9q4xw loss",
        "qd metrics j7k2m9q4xw --plot loss --save loss.svg",
    )
)
@job_argument()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--plot", "plotted", metavar="NAME", help="Draw this one over all attempts.")
@click.option(
    "--save", type=click.Path(path_type=Path), metavar="FILE.svg", help="Draw it into a file."
)
@click.option("--rank", type=int, default=None, help="Of this rank [the lowest that told any].")
@click.option("--task", type=int, default=None, help="Of this task of an array.")
@click.option("--attempt", type=int, default=None, help="Of this attempt [all, as one curve].")
@output_option
def command(
    job_id: str,
    names: tuple[str, ...],
    plotted: str | None,
    save: Path | None,
    *,
    rank: int | None,
    task: int | None,
    attempt: int | None,
    output: str,
) -> None:
    """Show values that a job told with `quarterdeck.job`.

    Without NAME the latest of each; with NAME its last values; with --plot a curve.
    """
    from quarterdeck.sdk.client import Client

    if save is not None and plotted is None:
        raise click.UsageError("--save needs --plot NAME")
    wanted = (plotted,) if plotted is not None else names
    with Client() as client:
        if not wanted:
            wanted = tuple(client.read_metrics(job_id, task=task, attempt=attempt).names)
        found = client.read_metrics(job_id, *wanted, rank=rank, task=task, attempt=attempt)
    _check_told(found, plotted, names)
    if output == "json":
        print_json(found)
    elif output == "name":
        for name in found.names:
            say(name)
    elif plotted is not None:
        _plot(found.series[0], save)
    elif names:
        for series in found.series:
            _print_series(series)
    else:
        _print_latest(found)


def _check_told(found: MetricsView, plotted: str | None, names: tuple[str, ...]) -> None:
    told = {series.name for series in found.series}
    for name in (plotted, *names):
        if name is not None and name not in told:
            known = ", ".join(found.names) or "nothing yet"
            raise NotFound(
                f"job {found.job_id} has not told any {name!a}", hint=f"it has told: {known}"
            )


def _print_latest(found: MetricsView) -> None:
    rows = [
        (
            series.name,
            series.told,
            f"{series.points[-1].step:.10g}",
            _shown(series.points[-1].value),
            series.points[-1].at,
        )
        for series in found.series
    ]
    print_table(("NAME", "VALUES", "LAST STEP", "LAST VALUE", "AT"), rows)


def _print_series(series: SeriesView) -> None:
    if series.told > POINTS_SHOWN:
        say(f"{series.name}: the last {POINTS_SHOWN} of {series.told} values", err=True)
    rows = [
        (f"{point.step:.10g}", _shown(point.value), point.attempt, point.at)
        for point in series.points[-POINTS_SHOWN:]
    ]
    print_table(("STEP", series.name.upper(), "ATTEMPT", "AT"), rows)


def _plot(series: SeriesView, save: Path | None) -> None:
    from quarterdeck.cli.plot import draw_svg, draw_text

    curve = _curve_of(series)
    if not curve.steps:
        raise NotFound(f"{series.name} has no finite value", hint="there is nothing to draw")
    if save is not None:
        try:
            save.write_text(draw_svg(curve), encoding="utf-8")
        except OSError as error:
            raise Refused(
                f"{save} cannot be written: {error.strerror}", hint="choose another file"
            ) from None
        say(str(save))
        return
    columns = min(shutil.get_terminal_size((80, 24)).columns, PLOT_COLUMNS_MAX)
    is_unicode = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    for line in draw_text(curve, columns, PLOT_ROWS, is_unicode=is_unicode):
        say(line)


def _curve_of(series: SeriesView) -> Curve:
    from quarterdeck.cli.plot import Curve

    points = [(one.step, one.value, one.attempt) for one in series.points if one.value is not None]
    breaks = [
        step
        for (step, _, attempt), before in zip(points[1:], points, strict=False)
        if attempt != before[2]
    ]
    return Curve(
        series.name, [step for step, _, _ in points], [value for _, value, _ in points], breaks
    )


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6g}"
