"""The values of sbatch's options: times, sizes, counts, GPUs, signals, as sbatch(1) writes them.

Every function takes the option as it was given and raises `Invalid` that names it, its line and
what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import ALPHABET, format_id, is_job_id
from quarterdeck.basics.quantities import parse_span_s
from quarterdeck.sdk.sbatch.directives import Given, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator

_MINUTES: Final = re.compile(r"[0-9]{1,9}", re.ASCII)
_CLOCK: Final = re.compile(r"(?:(?P<h>[0-9]{1,6}):)?(?P<m>[0-9]{1,9}):(?P<s>[0-9]{1,9})", re.ASCII)
_DAYS: Final = re.compile(
    r"(?P<d>[0-9]{1,6})-(?P<h>[0-9]{1,6})(?::(?P<m>[0-9]{1,6})(?::(?P<s>[0-9]{1,6}))?)?", re.ASCII
)
_NO_LIMIT: Final = frozenset({"0", "-1", "infinite", "unlimited"})
_TIME_HINT: Final = (
    "write minutes, minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes or "
    "days-hours:minutes:seconds"
)
TIME_S_MAX: Final = 10 * 366 * 86400
_SIZE: Final = re.compile(r"(?P<size>[0-9]{1,12})(?P<unit>[KMGT]?)B?", re.ASCII | re.IGNORECASE)
_KIB: Final = {"K": 1, "": 2**10, "M": 2**10, "G": 2**20, "T": 2**30}
_NODES: Final = re.compile(r"(?P<least>[0-9]{1,6}[kK]?)(?:-(?P<most>[0-9]{1,6}[kK]?))?", re.ASCII)
_GPUS: Final = re.compile(
    r"(?:(?P<kind>[A-Za-z0-9][A-Za-z0-9 ._+-]{0,63}):)?(?P<count>[0-9]{1,6})", re.ASCII
)
_GRES: Final = re.compile(
    r"(?:gres[:/])?gpu(?:[:=](?P<kind>[A-Za-z][A-Za-z0-9 ._+-]{0,63}|[0-9]g\.[0-9]{1,3}gb))?"
    r"(?:[:=](?P<count>[0-9]{1,6}))?(?:\(S:[0-9,-]*\))?",
    re.ASCII,
)
_MIG: Final = re.compile(r"(?:.*[_-])?(?P<profile>[0-9]g\.[0-9]{1,3}gb(?:\+me)?)", re.ASCII)
_SIGNAL: Final = re.compile(
    r"(?:(?P<who>[RB]{1,2}):)?(?P<name>[A-Za-z0-9]{1,10})(?:@(?P<at>[0-9]{1,5}))?", re.ASCII
)
_NUMBERS: Final = {"1": "HUP", "2": "INT", "3": "QUIT", "10": "USR1", "12": "USR2", "15": "TERM"}
SIGNALS: Final = ("TERM", "INT", "HUP", "USR1", "USR2", "QUIT")
SIGNAL_BEFORE_S: Final = 60
"""How long before the limit Slurm signals when --signal does not say it."""
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
NEEDS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Gpus:
    """So many GPUs, of one kind or of any."""

    count: int
    kind: str | None = None


class Notice(NamedTuple):
    """The signal before a stop: its name, seconds before, and whether only the script gets it."""

    name: str
    before_s: int
    is_batch: bool


def text_of(given: Given) -> str:
    """Its value, without blanks around it; never empty."""
    text = (given.value or "").strip()
    if not text or "\0" in text:
        raise wrong(given, "its value is empty" if not text else "it has a NUL byte", "write one")
    return text


def time_s(given: Given) -> float | None:
    """Seconds of a time; None for no limit. Also what a job file takes: `2h`, `1h30m`."""
    text = text_of(given)
    if text.lower() in _NO_LIMIT:
        return None
    found_s: float
    if _MINUTES.fullmatch(text):
        found_s = int(text) * 60
    elif match := _CLOCK.fullmatch(text) or _DAYS.fullmatch(text):
        parts = match.groupdict()
        days, hours, minutes, seconds = (int(parts.get(one) or 0) for one in "dhms")
        found_s = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    else:
        found_s = _span_s(given, text)
    if not 1 <= found_s <= TIME_S_MAX:
        raise wrong(given, "times go from a second to ten years", _TIME_HINT)
    return found_s


def _span_s(given: Given, text: str) -> float:
    try:
        return parse_span_s(text[:40], field="time")
    except Invalid:
        raise wrong(given, "that is no time", _TIME_HINT) from None


def memory_mib(given: Given) -> int:
    """Memory in MiB, rounded up; a number without a unit is MiB. 0: all that a node has."""
    match = _SIZE.fullmatch(text_of(given))
    if match is None:
        raise wrong(given, "that is no size", "write a whole number and K, M, G or T: 64G")
    kib = int(match["size"]) * _KIB[match["unit"].upper()]
    mib = -(-kib // 1024)
    if mib > 2**40:
        raise wrong(given, "that is more than any node has", "check the unit")
    return mib


def count(given: Given, least: int = 1) -> int:
    """A whole number."""
    text = text_of(given)
    if re.fullmatch(r"[0-9]{1,6}", text, re.ASCII) is None or int(text) < least:
        raise wrong(given, f"that is no whole number from {least} on", "write one")
    return int(text)


def nodes(given: Given) -> tuple[int, int]:
    """The least and the most nodes."""
    match = _NODES.fullmatch(text_of(given))
    least = _thousands(match["least"]) if match else 0
    most = _thousands(match["most"]) if match and match["most"] else least
    if not 1 <= least <= most:
        raise wrong(given, "that is neither a number nor a range", "write for example 2 or 2-8")
    return least, most


def _thousands(text: str) -> int:
    return int(text[:-1]) * 1024 if text[-1] in "kK" else int(text)


def gpus(given: Given) -> Gpus:
    """`4` or `a100:4`."""
    text = text_of(given)
    match = _GPUS.fullmatch(text)
    if match is None:
        told = "that is neither a number nor a model and a number"
        raise wrong(given, told, "write for example 4 or a100:4; several models cannot be had")
    return Gpus(int(match["count"]), match["kind"])


def gres(given: Given) -> Gpus:
    """`gpu`, `gpu:4`, `gpu:a100`, `gpu:a100:4`; `none` for nothing."""
    text = text_of(given).rstrip(",")
    if text.lower() in ("none", "gpu:0"):
        return Gpus(0)
    match = _GRES.fullmatch(text)
    if match is None:
        told = "only GPUs of one kind can be asked for"
        hint = "write gpu:4 or gpu:a100:4, and leave out what is no GPU"
        raise wrong(given, told, hint)
    return Gpus(int(match["count"] or 1), match["kind"])


def gpu_text(wanted: Gpus, models: str | None) -> str | int:
    """As a job file says it; `models` is what --constraint says."""
    kind = wanted.kind or models
    if kind is None or wanted.count == 0:
        return wanted.count
    if match := _MIG.fullmatch(kind.lower()):
        kind = f"mig-{match['profile']}"
    return f"{kind}:{wanted.count}"


def signal(given: Given) -> Notice:
    """`[B:]SIGNAL[@seconds]`."""
    match = _SIGNAL.fullmatch(text_of(given).upper())
    name = match["name"].removeprefix("SIG") if match else ""
    name = _NUMBERS.get(name, name)
    if match is None or name not in SIGNALS:
        known = ", ".join(SIGNALS)
        raise wrong(given, "that is no warning", f"write [B:]SIGNAL[@seconds] with one of {known}")
    before_s = SIGNAL_BEFORE_S if match["at"] is None else int(match["at"])
    if before_s > 65535:
        raise wrong(given, "at most 65535 seconds before the end", "choose fewer")
    return Notice(name, before_s, "B" in (match["who"] or ""))


def needs(given: Given) -> list[str]:
    """The ids after `afterok`. A job's number, as SLURM_JOB_ID has it, is turned into its id."""
    text = text_of(given)
    found: list[str] = []
    for part in text.split(","):
        kind, _, ids = part.strip().partition(":")
        if kind != "afterok" or "?" in ids:
            told = f"only success can be waited for, not {part[:40]!a}"
            hint = "write afterok:ID, or `qd wait ID` and then submit"
            raise wrong(given, told, hint)
        found.extend(_job_ids(given, ids))
    if len(found) > NEEDS_MAX:
        raise wrong(given, f"it names {len(found)} jobs; at most {NEEDS_MAX}", "name fewer")
    return list(dict.fromkeys(found))


def _job_ids(given: Given, ids: str) -> Iterator[str]:
    for one in ids.split(":"):
        if is_job_id(one):
            yield one
        elif re.fullmatch(r"[0-9]{1,14}", one, re.ASCII) and int(one) < len(ALPHABET) ** 9:
            yield format_id("j", int(one))
        else:
            hint = "an id is a j and nine letters or digits; `qd ps -a` lists the jobs there are"
            raise wrong(given, f"{one[:40]!a} is no job's id", hint)


def variables(given: Given, around: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """The variables that --export names, with the value given or that of `around`, and what is to
    be said about the others."""
    found: dict[str, str] = {}
    told: list[str] = []
    for part in (given.value or "").split(","):
        name, equals, value = part.partition("=")
        if name in ("NONE", "NIL", ""):
            continue
        if name == "ALL" and not equals:
            told.append("only the variables that it names travel, not all of your shell")
        elif _VARIABLE.fullmatch(name) is None or "\0" in value:
            hint = "write NAME=value or NAME, with commas between"
            raise wrong(given, f"{name[:40]!a} is no variable's name", hint)
        elif equals or name in around:
            found[name] = value if equals else around[name]
        else:
            told.append(f"{name} is not set here, so it does not travel")
    return found, told


def models(given: Given) -> str:
    """GPU models among features: `a100`, `a100|h100`."""
    text = text_of(given).strip("[]")
    if not all(_is_gpu(part) for part in text.split("|")):
        told = "nodes have no such features here"
        hint = "name a GPU's model, or leave it out: jobs are placed by what they need"
        raise wrong(given, told, hint)
    return text


def _is_gpu(word: str) -> bool:
    """Whether it looks like a model of GPUs, such as a100, h200, l40s, rtx6000, mi300x, gb200."""
    pattern = r"(?:[abhlptv]|gb|gh|mi|rtx_?|gtx_?|t)[0-9]{1,4}(?:[a-z]{1,2})?(?:[_-][A-Za-z0-9]+)*"
    return re.fullmatch(pattern, word.strip(), re.ASCII | re.IGNORECASE) is not None
