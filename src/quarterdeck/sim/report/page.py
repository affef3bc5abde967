"""A report as one HTML page: nothing in it comes from elsewhere, and nothing in it runs.

All text of others (names of jobs, teams, policies, files) is escaped where it enters the page, and
the page forbids scripts and requests to itself besides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.sim.fast.measures.usage import gpus_of
from quarterdeck.sim.report.charts import KINDS, draw_bars, draw_lines
from quarterdeck.sim.report.labels import LABELS
from quarterdeck.sim.report.scales import linear, shares, times, waits
from quarterdeck.sim.report.sentences import sections
from quarterdeck.sim.report.series import (
    over_time,
    wait_distributions,
    waits_by_size,
    waits_by_team,
)
from quarterdeck.sim.report.style import STYLE
from quarterdeck.sim.report.words import few, number, safe, span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quarterdeck.sim.report.column import Column
    from quarterdeck.sim.report.scales import Scale
    from quarterdeck.sim.report.series import Bars, Line

REMARKS_MAX: Final = 100
MANIFOLD: Final = 10
"""From so many times as much on, a factor says more than percent."""
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
READING: Final = (
    ("Wait", "from a job's submission to its first start"),
    ("GPU time held", "GPUs that jobs hold, busy or not, as a share of all GPUs of the cluster"),
    (
        "Free GPU time of no use to a typical job",
        (
            "free GPUs of nodes that have too few of them, or of CPUs or memory, for a job drawn "
            "from those of this workload"
        ),
    ),
    (
        "Finish-time fairness",
        (
            "how much longer a job took than with its part of the cluster for itself; above 1.05 "
            "it was treated unfairly"
        ),
    ),
    (
        "Energy",
        (
            "an upper bound: held GPUs are taken to be busy, and full power is the most that the "
            "hardware catalogue says of a type of node"
        ),
    ),
)


def report(
    columns: Sequence[Column],
    title: str,
    *,
    remarks: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> str:
    """The page. The first column is what the others are compared with. `remarks` are what was wrong
    with the input, `notes` how it was understood."""
    body = "\n".join(
        (
            *_head(columns, title),
            *_table(columns),
            *_plots(columns),
            *_list("How the input was understood", notes),
            *_list("What was wrong with the input", _shortened(remarks)),
            *_reading(),
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{safe(title)}</title>\n<style>{STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


def _head(columns: Sequence[Column], title: str) -> Iterator[str]:
    story = columns[0].story
    yield f"<h1>{safe(title)}</h1>"
    size = f"{few(len(story.nodes), 'node')}, {few(gpus_of(story), 'GPU')}, "
    size += few(len(story.ran) + len(story.never), "job")
    away = f", {few(len(story.outages), 'outage')}" if story.outages else ""
    yield f'<p class="dim">{safe(size + away)}; simulated, on virtual time</p>'
    yield "<h2>In short</h2>"
    for heading, told in sections(columns):
        items = "\n".join(f"<li>{safe(one)}</li>" for one in told)
        yield f'<h3>{safe(heading)}</h3>\n<ul class="told">\n{items}\n</ul>'


def _table(columns: Sequence[Column]) -> Iterator[str]:
    names = "".join(
        f'<th scope="col" title="{safe(one.name)}">{safe(one.name)}</th>' for one in columns
    )
    yield '<h2>Side by side</h2>\n<div class="wide">\n<table>'
    yield f'<thead><tr><th scope="col">figure</th>{names}</tr></thead>\n<tbody>'
    first = columns[0].figures
    for name in _names(columns):
        label, write = LABELS.get(name, (name, number))
        cells = "".join(
            f"<td>{safe(write(one.figures[name])) if name in one.figures else '–'}"
            f"{_change(first.get(name), one.figures.get(name)) if place else ''}</td>"
            for place, one in enumerate(columns)
        )
        yield f'<tr><th scope="row">{safe(label)}</th>{cells}</tr>'
    yield "</tbody>\n</table>\n</div>"


def _names(columns: Sequence[Column]) -> list[str]:
    """Every figure that any run has, once; a guarantee may be in one policy alone."""
    return list(dict.fromkeys(name for one in columns for name in one.figures))


def _change(before: float | None, now: float | None) -> str:
    """By how much a figure differs from the first run's."""
    if before is None or now is None or not before:
        return " <small></small>"
    share = now / before - 1
    if share >= MANIFOLD - 1:
        return f" <small>×{now / before:,.0f}</small>"
    told = "" if abs(share) < 0.0005 else f"{share:+.{int(abs(share) < 0.1)}%}".replace("-", "−")
    return f" <small>{told}</small>"


def _plots(columns: Sequence[Column]) -> Iterator[str]:
    names = [one.name for one in columns]
    found, distributions = over_time(columns), wait_distributions(columns)
    x = times("time since the first submission", found.held[0].xs)
    yield '<h2>Plots</h2>\n<div class="plots">'
    told = "Of all GPUs of the cluster."
    yield _lines("GPU time held", told, names, found.held, x, shares("GPUs held"))
    y = linear("jobs waiting", _ys(found.waiting))
    yield _lines("Jobs waiting", "How long the queue is.", names, found.waiting, x, y)
    told = "Which share of all jobs has started after so long; higher and further left is better."
    wait = waits("wait", [value for line in distributions for value in line.xs])
    y = shares("jobs that have started")
    yield _lines("How long jobs wait", told, names, distributions, wait, y)
    told = "Of the GPUs that are free."
    title = "Free GPUs of no use to a typical job"
    yield _lines(title, told, names, found.unusable, x, shares("free GPUs of no use"))
    told = "Mean wait of the jobs with so many GPUs in all."
    yield _bars("Waits by size of job", told, names, waits_by_size(columns), "GPUs of the job")
    told = "Mean wait of the teams with the most GPU time."
    yield _bars("Waits by team", told, names, waits_by_team(columns), "team")
    yield "</div>"


def _lines(
    title: str, told: str, names: Sequence[str], lines: Sequence[Line], x: Scale, y: Scale
) -> str:
    drawn = draw_lines(names, lines, x, y, f"{title}: {told} {', '.join(names)}")
    return _figure(title, told, drawn, _line_keys(names))


def _bars(title: str, told: str, names: Sequence[str], bars: Bars, label: str) -> str:
    y = times("mean wait", [value for run in bars.values for value in run if value is not None])
    drawn = draw_bars(names, bars, y, label, span, f"{title}: {told} {', '.join(names)}")
    return _figure(title, told, drawn, _bar_keys(names))


def _ys(lines: Sequence[Line]) -> list[float]:
    return [value for line in lines for value in line.ys]


def _figure(title: str, told: str, drawn: str, keys: str) -> str:
    return (
        f"<figure>\n<figcaption>{safe(title)}</figcaption>\n<p>{safe(told)}</p>\n"
        f"{drawn}\n{keys}\n</figure>"
    )


def _line_keys(names: Sequence[str]) -> str:
    """Which line is which."""
    return _keys(names, lambda n: f'<polyline class="line k{n}" points="0,6 34,6"/>')


def _bar_keys(names: Sequence[str]) -> str:
    """Which bar is which; in a group they stand in this order."""
    return _keys(names, lambda n: f'<rect class="bar k{n}" width="34" height="12"/>')


def _keys(names: Sequence[str], draw: Callable[[int], str]) -> str:
    items = "".join(
        f'<li><svg viewBox="0 0 34 12" aria-hidden="true">{draw(place % KINDS)}</svg>'
        f"{safe(name)}</li>"
        for place, name in enumerate(names)
    )
    return f'<ul class="keys">{items}</ul>'


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        items = "\n".join(f"<li>{safe(one)}</li>" for one in lines)
        yield f'<h2>{safe(title)}</h2>\n<ul class="told">\n{items}\n</ul>'


def _shortened(remarks: Sequence[str]) -> list[str]:
    """The first ones, and how many more there are."""
    if len(remarks) <= REMARKS_MAX:
        return list(remarks)
    return [*remarks[:REMARKS_MAX], f"and {few(len(remarks) - REMARKS_MAX, 'remark')} more"]


def _reading() -> Iterator[str]:
    items = "\n".join(f"<dt>{safe(term)}</dt><dd>{safe(told)}</dd>" for term, told in READING)
    yield f"<h2>How to read this</h2>\n<dl>\n{items}\n</dl>"
