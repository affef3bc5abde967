"""Cells of text files from outside: lines and rows with their numbers, and numbers in bounds."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quarterdeck.sim.fast.remarks import Remarks

SECONDS_MAX: Final = 100 * 366 * 86400.0
COUNT_MAX: Final = 1_000_000
SHOWN_CHARS_MAX: Final = 60


def decode(content: bytes) -> str:
    """The text of a file. Bytes that are not UTF-8 stay in it as halves of surrogate pairs, so
    that only their lines are lost and not the file."""
    return content.decode("utf-8-sig", "surrogateescape")


def shown(text: str) -> str:
    """A cell in a message: short, and printable whatever it holds."""
    if len(text) <= SHOWN_CHARS_MAX:
        return ascii(text)
    return f"{text[:SHOWN_CHARS_MAX]!a}… ({len(text)} characters)"


def check_text(cells: Sequence[str]) -> None:
    """Refuse what was not UTF-8."""
    for cell in cells:
        if not cell.isascii() and any("\ud800" <= letter <= "\udfff" for letter in cell):
            raise Invalid(f"it has bytes that are not UTF-8: {shown(cell)}")


def check_row(cells: Sequence[str], columns: Sequence[str]) -> None:
    """Refuse what was not UTF-8, and more or fewer cells than there are columns."""
    check_text(cells)
    if len(cells) != len(columns):
        raise Invalid(f"{len(cells)} columns instead of {len(columns)}")


def header_of(
    header: Sequence[str], needed: Sequence[str], optional: Sequence[str], name: str, field: str
) -> list[str]:
    """The columns of a CSV file, in its order. Refused when one is missing or is there twice."""
    columns = [column.strip() for column in header]
    known = (*needed, *optional)
    if missing := [column for column in needed if column not in columns]:
        raise Invalid(
            f"{name}:1: the header has no column {', '.join(missing)}",
            field=field,
            hint=f"the columns are {', '.join(known)}; the first {len(needed)} are needed"
            + ("; is it of `sacct -P`? Give --format sacct" if "|" in "".join(header) else ""),
        )
    if doubled := sorted({column for column in columns if columns.count(column) > 1}):
        raise Invalid(
            f"{name}:1: the header has {', '.join(map(shown, doubled))} twice",
            field=field,
            hint="name each column once",
        )
    return columns


def rows_of(
    text: str,
    needed: Sequence[str],
    optional: Sequence[str],
    name: str,
    field: str,
    remarks: Remarks,
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file below its header, each with its line; empty ones are passed over.

    A row is one line: a quote that is never closed costs that line, and not the rest of the file.
    """
    lines = io.StringIO(text)
    try:
        columns = header_of(_split(lines.readline()), needed, optional, name, field)
    except csv.Error as error:
        raise Invalid(f"{name}:1: {error}", field=field, hint="give a CSV file") from None
    for column in columns:
        if column not in needed and column not in optional:
            remarks.tell(1, f"unknown column {shown(column)}: not used")
    for line, content in enumerate(lines, start=2):
        try:
            cells = [cell.strip() for cell in _split(content)]
            if not any(cells):
                continue
            check_row(cells, columns)
        except csv.Error as error:
            remarks.leave_out(line, Invalid(f"{error}: is a quote not closed on its line?"))
            continue
        except Invalid as error:
            remarks.leave_out(line, error)
            continue
        yield line, dict(zip(columns, cells, strict=True))


def _split(line: str) -> list[str]:
    """The cells of one line."""
    bare = line.rstrip("\r\n")
    if "\r" in bare:
        raise csv.Error("a line break within a row")
    return next(csv.reader([bare], strict=True), [])


def number(text: str, name: str) -> float:
    """Any finite number."""
    found = _float(text)
    if found is None:
        raise Invalid(f"{name} is {shown(text)}, not a number")
    if not math.isfinite(found):
        raise Invalid(f"{name} is {shown(text)}, not a number that can be used")
    return found


def seconds(text: str, name: str) -> float:
    """So many seconds, in bounds."""
    found = _float(text)
    if found is None:
        raise Invalid(f"{name} is {shown(text)}, not a number of seconds")
    if not (math.isfinite(found) and 0 <= found <= SECONDS_MAX):
        told = f"{name} is {found:.10g}: seconds from 0 to {SECONDS_MAX:.0f} can be used"
        raise Invalid(told)
    return found


def _float(text: str) -> float | None:
    """What Python reads, without what only Python writes: `1_000`, digits of other scripts."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def count(text: str, name: str, *, least: int = 0) -> int:
    """A whole number, in bounds."""
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Invalid(f"{name} is {shown(text)}, not a whole number")
    if not least <= int(text) <= COUNT_MAX:
        raise Invalid(f"{name} is {text}: from {least} to {COUNT_MAX} can be used")
    return int(text)


def find(cells: Mapping[str, str], name: str) -> str | None:
    """A cell that says something, None without the column or when it is empty."""
    return cells.get(name) or None
