"""What is known of the queueing of others, and what ours is held to."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from benchmarks.waits import Waits

    Found = dict[str, dict[str, list[Waits]]]

PUBLISHED: Final = {
    "muri3-charged": {"SRTF": 193_082, "SRSF": 185_022, "Tiresias": 347_213},
    "muri3_pr-charged": {"SRTF": 844_395, "SRSF": 798_058, "Tiresias": 2_213_110},
    "muri1-charged": {"SRTF": 1_370_603, "SRSF": 980_141, "Tiresias": 3_330_371},
    "muri1_pr-charged": {"SRTF": 2_303_544, "SRSF": 1_801_860, "Tiresias": 6_921_683},
}
"""Mean completion (pkusys/Muri, simulator/draw_fig9-10.py)."""
PLAIN: Final = {
    "itp02": {
        "FIFO": (597_925, 574_955, 1_389_117),
        "FIFO + EASY": (182_715, 159_746, 577_159),
        "FIFO, skip": (137_500, 114_530, 940_761),
        "SJF": (44_179, 21_209, 241_110),
        "SJF, skip": (39_246, 16_277, 229_492),
        "GPU time, skip": (37_615, 14_646, 173_480),
        "SRTF": (29_092, 2_405, 40_311),
        "SRSF": (27_915, 2_604, 21_326),
    },
    "itp03": {
        "FIFO": (292_066, 269_917, 852_920),
        "FIFO + EASY": (215_929, 193_781, 785_182),
        "FIFO, skip": (235_489, 213_341, 741_806),
        "SJF": (69_053, 46_905, 802_616),
        "SJF, skip": (72_087, 49_939, 1_068_820),
        "GPU time, skip": (72_361, 50_213, 1_070_913),
        "SRTF": (46_234, 16_539, 430_515),
        "SRSF": (44_728, 15_189, 382_959),
    },
    "itp04": {
        "FIFO": (173_486, 153_504, 265_193),
        "FIFO + EASY": (113_438, 93_456, 206_544),
        "FIFO, skip": (66_163, 46_181, 185_741),
        "SJF": (31_431, 11_449, 120_262),
        "SJF, skip": (28_289, 8_307, 82_416),
        "GPU time, skip": (28_130, 8_147, 93_748),
        "SRTF": (23_730, 525, 9_301),
        "SRSF": (22_439, 641, 8_867),
    },
    "muri3": {
        "FIFO": (991_200, 944_335, 1_489_977),
        "FIFO + EASY": (421_195, 374_330, 1_148_014),
        "FIFO, skip": (480_901, 434_036, 3_714_788),
        "SJF": (262_098, 215_234, 4_737_752),
        "SJF, skip": (241_103, 194_238, 4_986_035),
        "GPU time, skip": (239_520, 192_655, 4_960_825),
        "SRTF": (180_113, 103_020, 3_784_012),
        "SRSF": (172_680, 111_849, 3_436_418),
    },
}
"""Mean completion, mean queue and its 99th percentile in plain physics, as reckoned by another
program before this one was written."""
NEAR: Final = 0.005
MURI_BAR_S: Final = 295_000
QUEUE_BAR: Final = 1.15
"""Of the better of the two SJF."""
NOISE_BAR: Final = 1.25
MURI_ON: Final = ("muri3", "muri3-charged")
P99_ON: Final = ("itp02", "itp04")


def proofs_of(found: Found) -> list[tuple[str, bool]]:
    """Whether the rules of others give what is known of them."""
    said = []
    for trace, known in PUBLISHED.items():
        for policy, completion_s in known.items() if trace in found else ():
            ours_s = found[trace][policy][0].completion_s
            told = f"{policy} on {trace}: {ours_s:,.0f}, published {completion_s:,}"
            said.append((f"{told} (within {NEAR:.1%})", _is_near(ours_s, completion_s)))
    for trace, rows in PLAIN.items():
        if trace not in found:
            continue
        right = 0
        for policy, row in rows.items():
            one = found[trace][policy][0]
            values = (one.completion_s, one.queue_s, one.queue_p99_s)
            right += all(map(_is_near, values, row))
        told = f"{right} of {len(rows)} rows of {trace} as another program has them"
        said.append((f"{told} (within {NEAR:.1%})", right == len(rows)))
    return said


def bars_of(found: Found) -> list[tuple[str, bool]]:
    """Whether ours is good enough."""
    said = []
    for trace, rows in found.items():
        if trace.startswith("itp"):
            queue_s = mean(one.queue_s for one in rows["ours, ±50 %"])
            bar_s = QUEUE_BAR * min(rows["SJF"][0].queue_s, rows["SJF, skip"][0].queue_s)
            told = f"average queue on {trace}, durations ±50 %: {queue_s:,.0f} ≤ {bar_s:,.0f}"
            said.append((f"{told} (the better SJF + 15 %)", queue_s <= bar_s))
            exact_s = rows["ours, exact"][0].completion_s
            off_s = mean(one.completion_s for one in rows["ours, ×0.1–×10"])
            told = f"average completion on {trace}, durations ×0.1–×10: {off_s / exact_s - 1:+.1%}"
            said.append((f"{told} ≤ +25 % of exact ones", off_s <= NOISE_BAR * exact_s))
        if trace in P99_ON:
            p99_s = mean(one.queue_p99_s for one in rows["ours, ±50 %"])
            easy_s = rows["FIFO + EASY"][0].queue_p99_s
            told = f"99th percentile of the queue on {trace}, durations ±50 %: {p99_s:,.0f}"
            said.append((f"{told} ≤ {easy_s:,.0f} (FIFO + EASY)", p99_s <= easy_s))
        if trace in MURI_ON:
            ours_s = rows["ours, no durations"][0].completion_s
            told = f"average completion on {trace} without durations: {ours_s:,.0f}"
            said.append((f"{told} ≤ {MURI_BAR_S:,}", ours_s <= MURI_BAR_S))
    return said


def _is_near(value: float, known: float) -> bool:
    return abs(value - known) <= NEAR * known
