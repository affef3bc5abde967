"""The report is one page that carries everything, runs nothing, and says true sentences."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.sim.fast.figures import Setting, figures_of
from quarterdeck.sim.fast.story import Cut, Ran, Story
from quarterdeck.sim.fast.workload import SimJob
from quarterdeck.sim.report.column import Column, column_of
from quarterdeck.sim.report.labels import LABELS
from quarterdeck.sim.report.page import REMARKS_MAX, report
from quarterdeck.sim.report.scales import linear, shares, times, waits
from quarterdeck.sim.report.sentences import sections, sentences
from quarterdeck.sim.report.series import TEAMS_MAX, waits_by_size, waits_by_team
from quarterdeck.sim.report.words import few, number, percent, safe, span
from tests.spec.sim.stories import grant, job, nodes, ran, story
from tests.spec.sim.stories import span as held

EVIL = "</style></svg><script>alert(1)</script>\"'><img src=x onerror=alert(2)>&\u202e\x1b]0;"
VOID = {"meta", "br", "img", "link"}


def column(
    name: str, *starts: float, team: str = "vision", setting: Setting | None = None
) -> Column:
    """Jobs of a minute that come at once, and start then and then."""
    jobs = [
        ran(
            job(0, 60, 1, team=team, line=2 + n, name=f"j{n}"),
            held(start, start + 60, grant(0, n % 4)),
        )
        for n, start in enumerate(starts)
    ]
    return column_of(name, story(*jobs), setting)


class Page(HTMLParser):
    """What a browser would make of it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.is_balanced = True
        self.feed(text)
        self.close()
        self.is_balanced &= not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self.is_balanced &= bool(self._open) and self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_nothing_in_a_page_comes_from_elsewhere_or_runs() -> None:
    text = report([column("a", 0, 5), column("b", 0, 9)], "June on the pod")
    page = Page(text)
    assert page.is_balanced
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"https?:|url\(|@import|javascript:|src=|href=", text)
    assert "default-src 'none'; style-src 'unsafe-inline'" in [
        value for _, value in page.attributes
    ]
    assert page.tags.count("svg") >= 6


def test_what_files_say_is_shown_and_never_obeyed() -> None:
    """Job, team, policy and file names are whatever somebody wrote."""
    jobs = [ran(job(0, 60, team=EVIL, name=EVIL), held(5, 65, grant(0, 0)))]
    setting = Setting({EVIL: 8})
    one = column_of(EVIL, story(*jobs), setting)
    other = column_of(f"{EVIL} 2", story(*jobs), setting)
    text = report([one, other], EVIL, remarks=[EVIL], notes=[EVIL])
    page = Page(text)
    assert page.is_balanced
    assert not {"script", "img"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.tags.count("style") == 1
    assert "alert(1)" in "".join(page.words)
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_a_page_says_every_figure_of_every_run_by_its_label() -> None:
    columns = [column("a", 0, 5, setting=Setting({"vision": 4})), column("b", 0, 9)]
    words = Page(report(columns, "t")).words
    for name in columns[0].figures:
        assert LABELS[name][0] in words
    assert {"a", "b"} <= set(words)


def test_every_figure_has_a_label_and_every_label_a_figure() -> None:
    assert set(LABELS) == set(figures_of(story(), Setting({"vision": 1})))


def test_remarks_that_are_too_many_for_a_page_are_counted() -> None:
    words = "".join(Page(report([column("a", 0)], "t", remarks=["odd"] * 250)).words)
    assert words.count("odd") == REMARKS_MAX
    assert "and 150 remarks more" in words


def test_the_same_stories_make_the_same_page() -> None:
    assert report([column("a", 0, 5)], "t") == report([column("a", 0, 5)], "t")


@pytest.mark.parametrize("count", [0, 1])
def test_hardly_any_jobs_make_a_page_too(count: int) -> None:
    text = report([column("a", *[0.0] * count), column("b", *[0.0] * count)], "t")
    assert Page(text).is_balanced
    assert "nan" not in text


def test_each_run_has_its_own_look_and_more_than_eight_begin_again() -> None:
    text = report([column(f"c{n}", 0, 5) for n in range(9)], "t")
    for n in range(8):
        assert f'class="line k{n}"' in text
    assert 'class="line k8"' not in text


def test_a_figure_that_is_many_times_another_is_told_as_a_factor() -> None:
    words = Page(report([column("a", 10), column("b", 1000), column("c", 15)], "t")).words
    assert "×100" in words
    assert "+50%" in words


def told(first: Column, other: Column) -> str:
    return "\n".join(sections([first, other])[1].told)


def test_sentences_say_who_waits_less_and_by_how_much() -> None:
    first, other = column("a", 0, 300, 600, 900), column("b", 0, 120, 120, 1200)
    text = told(first, other)
    assert "Half of all jobs wait 3 min less (2 min)" in text
    assert "the slowest hundredth 5 min more (20 min)" in text
    assert "the mean wait is 6 min instead of 7.5 min" in text
    assert "From submission to the end they take 7 min on average instead of 8.5 min." in text
    assert "2 jobs start earlier (half of them by 3 min or more)" in text
    assert "1 job start later (half of them by 5 min or more, 5 min at most)" in text
    assert "1 job start as before" in text
    assert "All is done 5 min later." in text


def test_sentences_of_one_run_say_how_it_was() -> None:
    one = column("a", 0, 90, setting=Setting({"vision": 4}))
    (section,) = sections([one])
    text = "\n".join(section.told)
    assert section.heading == "a"
    assert "2 jobs ran on 2 nodes with 8 GPUs, 2.5 min from the first submission" in text
    assert "Half of all jobs waited 0 s at most, one in a hundred 1.5 min or longer" in text
    assert "Team vision had less than it is guaranteed for 30 s" in text
    assert sentences([one])[:2] == ["a:", f"  {section.told[0]}"]


def test_who_has_cells_of_their_own_is_a_user_of_a_team() -> None:
    one = column("a", 0, 90)
    for minutes, told in (
        (
            0.5,
            "User eli of team drugs had less than they are guaranteed for 30 s while they",
        ),
        (0.0, "Nobody waited for what they are guaranteed."),
    ):
        seen = replace(one, violations={"drugs/eli": minutes, "drugs": 0.0})
        (section,) = sections([seen])
        assert told in "\n".join(section.told)


def test_the_same_story_is_said_to_be_the_same() -> None:
    text = told(column("a", 0, 5), column("b", 0, 5))
    assert "Every job starts when it did." in text
    assert "as long as before" in text
    assert "All is done" not in text


def test_sentences_name_who_gains_and_who_loses() -> None:
    def both(name: str, red_s: float, blue_s: float) -> Column:
        jobs = (
            ran(job(0, 60, team="red", line=2), held(red_s, red_s + 60, grant(0, 0))),
            ran(job(0, 60, team="blue", line=3), held(blue_s, blue_s + 60, grant(0, 1))),
        )
        return column_of(name, story(*jobs))

    text = told(both("a", 600, 0), both("b", 0, 300))
    assert "Team red gains most: it waits 0 s on average instead of 10 min." in text
    assert "Team blue loses most: it waits 5 min on average instead of 0 s." in text


def test_sentences_say_what_was_cut_short_and_what_never_fits() -> None:
    cut = ran(
        job(0, 60),
        held(0, 30, grant(0, 0), cut=Cut.PREEMPTED),
        held(60, 120, grant(0, 0)),
        lost_s=3600,
    )
    huge = SimJob(9, "huge", 0, 1, Demand(1, Resources(99)))
    one = column_of("a", Story(nodes(), (cut,), ((huge, "too large"),), 0))
    text = "\n".join(sections([one])[0].told)
    assert "1 job never ran on this cluster." in text
    assert "Runs that were cut short: 1 made room for others; 1 GPU hours" in text


def by_wait(*jobs: tuple[float, int, str]) -> Column:
    made: list[Ran] = [
        ran(job(0, 10, gpus, team=team), held(wait, wait + 10, grant(0, 0)))
        for wait, gpus, team in jobs
    ]
    return column_of("a", story(*made))


def test_waits_by_size_are_means_of_groups_that_there_are() -> None:
    bars = waits_by_size([by_wait((10, 1, "t"), (20, 1, "t"), (60, 4, "t"), (7, 0, "t"))])
    assert bars.groups == ["none", "up to 1", "2–4"]
    assert bars.values == [[7, 15, 60]]


def test_teams_beyond_a_dozen_are_one_group() -> None:
    many = by_wait(*((float(n), 1, f"t{n:02d}") for n in range(TEAMS_MAX + 3)))
    bars = waits_by_team([many])
    assert len(bars.groups) == TEAMS_MAX
    assert bars.groups[-1] == "4 others"
    assert bars.values[0][-1] == pytest.approx((11 + 12 + 13 + 14) / 4)
    assert waits_by_team([by_wait((1, 1, "x"))]).groups == ["x"]


def test_axes_end_at_a_round_number_that_holds_everything() -> None:
    assert linear("n", [0, 7.2]).most == 8
    assert [text for _, text in linear("n", [0, 7.2]).ticks] == ["0", "2", "4", "6", "8"]
    assert [text for _, text in shares("s").ticks] == [
        "0 %",
        "20 %",
        "40 %",
        "60 %",
        "80 %",
        "100 %",
    ]
    hours = times("time", [9 * 3600])
    assert (hours.label, hours.most) == ("time, hours", 10 * 3600)
    assert times("t", []).most == 1
    log = waits("wait", [0, 100])
    assert [log.place(value) for value in (0, 1, 10, 100, 1000)] == [0, 0, 0.5, 1, 1]


def test_numbers_are_written_for_people() -> None:
    assert [span(value) for value in (0, 0.5, 59, 60, 5400, 86400, 172800)] == [
        "0 s", "0.5 s", "59 s", "1 min", "1.5 h", "24 h", "2 days",
    ]  # fmt: skip
    assert [number(value) for value in (0, 3.14159, 99.99, 123.4, 12345.6)] == [
        "0", "3.14", "100", "123", "12,346",
    ]  # fmt: skip
    assert [percent(value) for value in (0, 0.00123, 0.5, 1)] == ["0 %", "0.12 %", "50 %", "100 %"]
    assert (few(1, "job"), few(2, "job"), few(1234, "job")) == ("1 job", "2 jobs", "1,234 jobs")
    assert safe("a<b>&\"'\x07\ud800") == "a&lt;b&gt;&amp;&quot;&#x27;\\u0007\\ud800"
