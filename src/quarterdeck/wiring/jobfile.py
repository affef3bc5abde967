"""`qd schema` and `qd validate`: the CLI's verbs, given the rules that the server has.

The client knows the server over HTTP only, so it may not import the rules. Here they meet: a
file is judged offline by the very function that the API calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quarterdeck.cli.verbs import schema, validate

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.wire.v1.jobs import JobRequest


def _draw() -> dict[str, Any]:
    from quarterdeck.api.jobfile_schema import job_file_schema

    return job_file_schema()


def _get_check() -> Callable[[JobRequest], object]:
    from quarterdeck.api.translate import to_spec

    return to_spec


schema_command = schema.make_command(_draw)
validate_command = validate.make_command(_get_check)
