"""Everything that is wrong with a job file, not only the first of it.

Whether a value can be used is the server's rule. It is handed in as a function (`check`), so that
it is written once; each value is tried alone in an otherwise plain job, so that one that is refused
hides no other, and at last the whole job, for what only shows together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from quarterdeck.basics.errors import Refused
from quarterdeck.basics.ids import format_id
from quarterdeck.sdk.jobfile import JobFile, read_all, to_job_file
from quarterdeck.sdk.jobneeds import check_needs
from quarterdeck.sdk.jobreader import Path_, Reading
from quarterdeck.sdk.yamltree import Fault, shown
from quarterdeck.wire.v1.jobs import JobRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FAULTS_MAX: Final = 100
_PLAIN: Final = {"run": "true"}


@dataclass(frozen=True, slots=True)
class Examination:
    """A file's jobs as far as they could be read, and its faults in the file's order.

    `planned` are the requests that a server can be asked about: without needs that are names.
    """

    jobs: list[JobFile]
    faults: list[Fault]
    planned: list[tuple[JobFile, JobRequest]]


def examine(content: bytes, name: str, check: Callable[[JobRequest], object]) -> Examination:
    """Look at a whole job file. `check` raises `Refused` for a request that cannot be used."""
    readings, faults = read_all(content)
    whole = [reading for reading in readings if reading.request is not None]
    jobs = [to_job_file(reading, name) for reading in whole]
    faults += check_needs([_outline(reading, name) for reading in readings])
    names = {str(reading.plain.get("name", "job")) for reading in readings}
    for reading in readings:
        found = [*_check_values(reading, check), *_check_folder(reading, name)]
        if not found and not reading.faults and reading.request is not None:
            found = _refusal(reading, (), _with_ids(reading.plain, names), check)
        faults += found
    planned = [(job, _without_names(job.request, names)) for job in jobs]
    ordered = sorted(dict.fromkeys(faults), key=lambda fault: fault.place)
    return Examination(jobs, ordered[:FAULTS_MAX], planned)


def _outline(reading: Reading, name: str) -> JobFile:
    """The job with its name and needs only, as far as these are texts."""
    job_name, needs = reading.plain.get("name"), reading.plain.get("needs")
    request = JobRequest(
        run="true",
        name=job_name if isinstance(job_name, str) else "job",
        needs=[need for need in needs if isinstance(need, str)] if isinstance(needs, list) else [],
    )
    return JobFile(name, request, None, reading.places, reading.place)


def _check_values(reading: Reading, check: Callable[[JobRequest], object]) -> Iterator[Fault]:
    told = {fault.field for fault in reading.faults}
    for path, plain in _one_by_one(reading.plain):
        if not told & {".".join(map(str, path[:length])) for length in range(1, len(path) + 1)}:
            yield from _refusal(reading, path, plain, check)


def _refusal(
    reading: Reading, path: Path_, plain: dict[str, Any], check: Callable[[JobRequest], object]
) -> list[Fault]:
    try:
        check(JobRequest.model_validate(plain))
    except ValidationError:
        return []
    except Refused as error:
        where = path or tuple(error.field.split("."))
        field = error.field if not path else ".".join(map(str, path))
        return [Fault(reading.place_of(where), error.message, error.hint, field, error.code)]
    return []


def _one_by_one(plain: dict[str, Any]) -> Iterator[tuple[Path_, dict[str, Any]]]:
    """Every value by its path, in a job that has nothing else."""
    for key, value in plain.items():
        if key == "needs":
            continue
        if isinstance(value, dict):
            for inner, one in value.items():
                if (key, inner) == ("retry", "on") and isinstance(one, list):
                    for index, code in enumerate(one):
                        yield (key, inner, index), _PLAIN | {key: {inner: [code]}}
                else:
                    yield (key, inner), _PLAIN | {key: {inner: one}}
        else:
            yield (key,), _PLAIN | {key: value}


def _with_ids(plain: dict[str, Any], names: set[str]) -> dict[str, Any]:
    """The job with an id in place of each name of a job of the file."""
    id_of = {name: format_id("j", number) for number, name in enumerate(sorted(names))}
    needs = [id_of.get(need, need) for need in plain.get("needs", [])]
    return plain | ({"needs": needs} if needs else {})


def _without_names(request: JobRequest, names: set[str]) -> JobRequest:
    needs = [need for need in request.needs if need not in names]
    return request.model_copy(update={"needs": needs})


def _check_folder(reading: Reading, name: str) -> list[Fault]:
    if reading.request is None or reading.workdir is None:
        return []
    folder = to_job_file(reading, name).folder
    if folder is None or folder.is_dir():
        return []
    told = f"the work folder {shown(reading.workdir)} is not a folder"
    return [
        Fault(
            reading.place_of(("workdir",)), told, "name one, relative to this file, or none",
            "workdir",
        )
    ]  # fmt: skip
