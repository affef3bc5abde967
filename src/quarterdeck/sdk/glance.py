"""One quick look at the jobs there are, for a shell that completes while somebody types.

The client and its models take longer to import than a key press should take to be answered, so this
one request is made with the standard library alone. It is asked once and never repeated.
"""

from __future__ import annotations

import json
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urlsplit

from quarterdeck.basics.errors import Unavailable
from quarterdeck.sdk.find import find_server

if TYPE_CHECKING:
    from collections.abc import Sequence

ANSWER_S_MAX: Final = 0.5
JOBS_MAX: Final = 100


def glance_at_jobs(states: Sequence[str] = ()) -> list[tuple[str, str]]:
    """Ids of the newest jobs in one of the states, each with its name and state.

    Raises an error of the house when no server answers at once.
    """
    address = find_server()
    parts = urlsplit(address.url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_S_MAX)
    query = urlencode([("limit", JOBS_MAX), *(("state", state) for state in states)])
    try:
        headers = {"Authorization": f"Bearer {address.token}"}
        connection.request("GET", f"{parts.path}/v1/jobs?{query}", headers=headers)
        answer = connection.getresponse()
        content = json.loads(answer.read())
        return [(job["id"], f"{job['name']}, {job['state']}") for job in content["jobs"]]
    except (OSError, HTTPException, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"{address.url} gave no list of jobs: {error}") from error
    finally:
        connection.close()
