"""The `#SBATCH` lines of a script, read as sbatch(1) reads them.

A line counts when it begins with `#SBATCH` and stands before the first line that is neither blank
nor a comment. It holds options as on a command line: quotes and backslashes keep words together,
and a word that begins with `#` begins a comment.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.sdk.jobreader import did_you_mean
from quarterdeck.sdk.sbatch.options import BY_NAME, BY_SHORT, Option, find_option
from quarterdeck.sdk.yamltree import Fault, Place, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAGIC: Final = "#SBATCH"
BYTES_MAX: Final = 1 << 20
GIVEN_MAX: Final = 1000
VALUE_CHARS_MAX: Final = 4096
LINE_CHARS_MAX: Final = 16 * 1024
COMMAND_LINE: Final = 0
"""The number of the line of what stands on the command line."""


@dataclass(frozen=True, slots=True)
class Given:
    """An option as it was given, and where: `line` is 0 for the command line."""

    option: Option
    value: str | None
    line: int
    name: str

    def __str__(self) -> str:
        """As one would write it."""
        value = "" if self.value is None else f"={self.value}"
        return shown_words(f"--{self.option.name}{value}")


def shown_words(text: str) -> str:
    """An option in an error: printable, and not endless."""
    told = text if text.isascii() and text.isprintable() else ascii(text)
    return told if len(told) <= 80 else f"{told[:77]}…"


def wrong(given: Given, message: str, hint: str) -> Invalid:
    """The error about an option, with its place."""
    return fault_at(given.name, given.line, f"{given}: {message}", hint, given.option.name)


def fault_at(name: str, line: int, message: str, hint: str, field: str = "file") -> Invalid:
    """An error about a line of a script, or about the command line."""
    if line == COMMAND_LINE:
        return Invalid(message, field=field, hint=hint)
    return Fault(Place(line, 1), message, hint, field).to_error(name)


def read_script(content: bytes, name: str) -> list[Given]:
    """The options of a script, in its order. `Invalid` names the line."""
    if len(content) > BYTES_MAX:
        raise fault_at(name, 1, f"the script is larger than {BYTES_MAX} bytes", "is it a script?")
    if not content.startswith(b"#!"):
        told = "this is no batch script: it does not begin with #!"
        raise fault_at(name, 1, told, "write for example #!/bin/bash in the first line")
    given: list[Given] = []
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.endswith(b"\r"):
            told = "the line ends as on Windows (\\r\\n), which no shell reads"
            raise fault_at(name, number, told, "convert the script, for example with dos2unix")
        text = line.decode("utf-8", "replace")
        if text.startswith(MAGIC):
            given.extend(_read_line(text[len(MAGIC) :], number, name))
            _check_count(given, name, number)
        elif text.strip() and not text.lstrip().startswith("#"):
            break
    return given


def read_words(words: Sequence[str], name: str = "", line: int = COMMAND_LINE) -> list[Given]:
    """Options that are words already."""
    given: list[Given] = []
    left = iter(words)
    for word in left:
        given.extend(_read_option(word, left, line, name))
        _check_count(given, name, line)
    return given


def _read_line(text: str, line: int, name: str) -> list[Given]:
    if len(text) > LINE_CHARS_MAX:
        told = f"the line has {len(text)} characters; at most {LINE_CHARS_MAX}"
        raise fault_at(name, line, told, "is it a batch script?")
    if text[:1] not in ("", " ", "\t"):
        told = f"{shown(MAGIC + text)} is no line of options"
        raise fault_at(name, line, told, "put a blank behind #SBATCH, or a second # before it")
    if text.split()[:1] in (["hetjob"], ["packjob"]):
        told = "a job of several components is described by roles here"
        raise fault_at(name, line, told, "write a job file with `roles`")
    return read_words(list(_split(text, line, name)), name, line)


def _split(text: str, line: int, name: str) -> Iterator[str]:
    """The words of a line. `shlex` would read other quotes as sbatch does not."""
    word: str | None = None
    quote, is_escaped = "", False
    for sign in text:
        if is_escaped:
            word, is_escaped = (word or "") + sign, False
        elif sign == "\\" and quote != "'":
            is_escaped = True
        elif quote and sign == quote:
            quote = ""
        elif not quote and sign in "'\"":
            quote, word = sign, word or ""
        elif not quote and sign.isspace():
            if word is not None:
                yield word
            word = None
        elif not quote and sign == "#" and word is None:
            return
        else:
            word = (word or "") + sign
    if quote:
        raise fault_at(name, line, f"a {quote} is opened and not closed", "close it")
    if word is not None:
        yield word


def _read_option(word: str, left: Iterator[str], line: int, name: str) -> Iterator[Given]:
    if word.startswith("--") and len(word) > 2:
        yield _read_long(word[2:], left, line, name)
    elif word.startswith("-") and len(word) > 1 and word != "--":
        yield from _read_short(word[1:], left, line, name)
    else:
        told = f"{shown(word)} is no option, and sbatch would not read the rest of the line"
        raise fault_at(name, line, told, "take it out, or put a # before it")


def _read_long(text: str, left: Iterator[str], line: int, name: str) -> Given:
    word, equals, value = text.partition("=")
    option, meant = find_option(word)
    if option is None:
        hint = f"one of {', '.join(meant[:6])}? " if meant else did_you_mean(word, list(BY_NAME))
        told = f"--{shown_words(word)} is no option of sbatch that is known here"
        raise fault_at(name, line, told, f"{hint}take it out or correct it", shown_words(word))
    if equals and option.takes == "nothing":
        raise wrong(Given(option, value, line, name), "it takes no value", "leave out the value")
    if not equals and option.takes == "value":
        return _with_value(option, next(left, None), line, name)
    return _checked(Given(option, value if equals else None, line, name))


def _read_short(text: str, left: Iterator[str], line: int, name: str) -> Iterator[Given]:
    """`-N2`, `-N 2`, `-N=2`, and several without values in one word."""
    while text:
        option = BY_SHORT.get(text[0])
        if option is None:
            told = f"-{shown_words(text[0])} is no option of sbatch that is known here"
            raise fault_at(name, line, told, "take it out or correct it", shown_words(text[0]))
        text = text[1:]
        if option.takes == "value":
            value = text.removeprefix("=") if text else next(left, None)
            yield _with_value(option, value, line, name)
            return
        yield Given(option, None, line, name)


def _with_value(option: Option, value: str | None, line: int, name: str) -> Given:
    if value is None:
        raise wrong(Given(option, None, line, name), "its value is missing", "write it behind")
    return _checked(Given(option, value, line, name))


def _checked(given: Given) -> Given:
    if given.value is not None and len(given.value) > VALUE_CHARS_MAX:
        told = f"its value has {len(given.value)} characters; at most {VALUE_CHARS_MAX}"
        raise wrong(given, told, "shorten it")
    return given


def _check_count(given: list[Given], name: str, line: int) -> None:
    if len(given) > GIVEN_MAX:
        raise fault_at(name, line, f"more than {GIVEN_MAX} options", "is it a batch script?")
