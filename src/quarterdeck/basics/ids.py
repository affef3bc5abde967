"""Short ids that a person can read aloud and type: a letter, then base 32 without look-alikes.

The alphabet is Crockford's base 32 (https://www.crockford.com/base32.html), in lower case.
Nine symbols are 45 bits: at a million jobs the chance of any clash is about 1.4 %, so a store
refuses a taken id and the caller draws again.
"""

from __future__ import annotations

import re
from typing import Final, NewType

JobId = NewType("JobId", str)

ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"
SYMBOLS: Final = 9
_JOB_ID = re.compile(r"j[0-9a-hjkmnp-tv-z]{9}", re.ASCII)


def format_id(letter: str, number: int) -> str:
    """The id for `number`, of which the lowest 45 bits are used."""
    symbols = []
    for _ in range(SYMBOLS):
        number, digit = divmod(number, 32)
        symbols.append(ALPHABET[digit])
    return letter + "".join(reversed(symbols))


def is_job_id(text: str) -> bool:
    """Whether the text has the form of a job id."""
    return _JOB_ID.fullmatch(text) is not None
