"""The job file: YAML in, requests out, and errors that name the line and the column.

A file holds one job, or several as YAML documents between lines of `---`. `yamltree` knows YAML,
`jobreader` the keys, `jobneeds` what the jobs of one file are to each other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from quarterdeck.basics.errors import Invalid, Refused
from quarterdeck.sdk.jobreader import Path_, Reading, read_document
from quarterdeck.sdk.yamltree import Fault, Place, read_documents, shown
from quarterdeck.wire.v1.jobs import JobRequest

BYTES_MAX: Final = 1 << 20
START: Final = Place(1, 1)


@dataclass(slots=True)
class JobFile:
    """A job as a file describes it. `workdir` is as written, None when it was left out."""

    name: str
    request: JobRequest
    workdir: str | None
    places: dict[Path_, Place] = field(repr=False, default_factory=dict)
    start: Place = START

    @property
    def folder(self) -> Path | None:
        """The work folder, relative to the file; None for a job without one."""
        if self.workdir is None or self.workdir == "none":
            return None
        return Path(self.name).parent / self.workdir

    def place_of(self, field_name: str) -> Place:
        """Where in the file a field is, or what is nearest above it."""
        path: Path_ = ()
        for part in field_name.split("."):
            inner = (*path, int(part) if part.isdecimal() and part.isascii() else part)
            path = inner if inner in self.places else (*path, part)
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, self.start)

    def locate(self, error: Refused) -> Invalid:
        """The server's error with the place in this file that it is about."""
        place = self.place_of(error.field)
        fault = Fault(place, error.message, error.hint, error.field, error.code)
        return fault.to_error(self.name)


def read_job_file(path: Path) -> JobFile:
    """Read a file of one job. Raises `Invalid` with `file:line:column`."""
    return parse_job_file(read_bytes(path), str(path))


def read_job_files(path: Path) -> list[JobFile]:
    """Read a file of one job or several, in the file's order."""
    return parse_job_files(read_bytes(path), str(path))


def parse_job_file(content: bytes, name: str) -> JobFile:
    """A file of one job, its bytes there already."""
    jobs = parse_job_files(content, name)
    if len(jobs) > 1:
        fault = Fault(
            jobs[1].start,
            f"a second job begins here; the file holds {len(jobs)}, and only one can be used",
            "give each its own file, or submit the file as it is",
        )
        raise fault.to_error(name)
    return jobs[0]


def parse_job_files(content: bytes, name: str) -> list[JobFile]:
    """A file of one job or several, its bytes there already."""
    readings, faults = read_all(content)
    if faults:
        raise faults[0].to_error(name)
    return [to_job_file(reading, name) for reading in readings]


def read_bytes(path: Path) -> bytes:
    """The file's bytes, up to one more than a job file may have."""
    try:
        with path.open("rb") as stream:
            return stream.read(BYTES_MAX + 1)
    except OSError as error:
        told = error.strerror or type(error).__name__
    except ValueError:
        told = "the name has a NUL byte"
    raise Invalid(f"{shown(str(path))} cannot be read: {told}", field="file", hint="check the name")


def read_all(content: bytes) -> tuple[list[Reading], list[Fault]]:
    """Every document of a file, and everything that is wrong with it, in the file's order."""
    if len(content) > BYTES_MAX:
        told = f"the file is larger than {BYTES_MAX} bytes"
        return [], [Fault(START, told, "is it a job file?")]
    documents, faults = read_documents(content)
    readings = [read_document(document) for document in documents]
    if not documents and not faults:
        faults = [Fault(START, "the file is empty, not a mapping of keys", "write run: …")]
    every = [*faults, *(fault for reading in readings for fault in reading.faults)]
    return readings, sorted(every, key=lambda fault: fault.place)


def to_job_file(reading: Reading, name: str) -> JobFile:
    """A reading that has no faults as a job."""
    assert reading.request is not None
    return JobFile(name, reading.request, reading.workdir, reading.places, reading.place)
