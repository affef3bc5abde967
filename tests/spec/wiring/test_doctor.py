"""Each part of a machine, as it should be and as it should not."""

from __future__ import annotations

import os
import resource
import socket
from pathlib import Path

import pytest

from quarterdeck import __version__
from quarterdeck.adapters.engines.local.confinement import Confinement
from quarterdeck.adapters.engines.local.enclosures import Enclosure
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.cluster.hardware import Device
from quarterdeck.wiring.doctor import home, machine
from quarterdeck.wiring.doctor.command import as_text
from quarterdeck.wiring.doctor.findings import Finding, Level, attempt, note, ok, problem

ANY = resource.RLIM_INFINITY
NFS = "22 1 0:20 / / rw - ext4 /dev/sda rw\n31 22 0:30 / /mnt rw - nfs4 host:/x rw"


class Gpus:
    def __init__(self, *models: str, fails: bool = False) -> None:
        self.models, self.fails = models, fails

    def list_devices(self) -> tuple[Device, ...]:
        if self.fails:
            raise RuntimeError("driver/library version mismatch")
        return tuple(Device(f"GPU-{n}", model, 2**30) for n, model in enumerate(self.models))


def images(*, works: bool) -> Finding:
    found = Enclosure(works, "podman … as root")
    image, isolation = machine.look_at_enclosures(found, found)
    assert (image.about, isolation.about) == ("images", "isolation")
    assert works or ("`image`" in image.hint and "`isolate`" in isolation.hint)
    return image


@pytest.mark.parametrize(
    ("finding", "level", "told"),
    [
        (machine.look_at_system("Linux", "6.1.0-13-amd64"), Level.OK, "Linux 6.1"),
        (machine.look_at_system("Linux", "4.18.0"), Level.PROBLEM, "4.18"),
        (machine.look_at_system("Darwin", "23.1.0"), Level.PROBLEM, "Darwin"),
        (machine.look_at_python((3, 11, 2), "/usr/bin/python3"), Level.OK, "3.11.2"),
        (machine.look_at_python((3, 10, 9), "/usr/bin/python3"), Level.PROBLEM, "3.10.9"),
        (machine.look_at_cpus(8, 8), Level.OK, "8 CPUs"),
        (machine.look_at_cpus(2, 8), Level.NOTE, "2 of 8"),
        (machine.look_at_memory("MemTotal:       16384000 kB\n"), Level.OK, "15.6"),
        (machine.look_at_memory("MemTotal:       100 kB\n"), Level.NOTE, "100KiB"),
        (machine.look_at_memory("nothing"), Level.NOTE, "cannot be told"),
        (machine.look_at_gpus(Gpus()), Level.NOTE, "no NVIDIA driver"),
        (machine.look_at_gpus(Gpus("H100", "H100")), Level.OK, "2 × H100"),
        (machine.look_at_gpus(Gpus(fails=True)), Level.PROBLEM, "mismatch"),
        (
            machine.look_at_confinement(Confinement(memory=True, cpu=False, why="no cpu")),
            Level.NOTE,
            "no cpu",
        ),
        (images(works=True), Level.OK, "as root"),
        (images(works=False), Level.NOTE, "as root"),
        (machine.look_at_files((256, 4096)), Level.PROBLEM, "256 open files"),
        (machine.look_at_files((1024, 4096)), Level.NOTE, "1024 open files"),
        (machine.look_at_files((ANY, ANY)), Level.OK, "any number of open files"),
        (machine.look_at_processes((100, 100)), Level.NOTE, "100 processes"),
        (machine.look_at_port("127.0.0.1", 0), Level.OK, "127.0.0.1"),
        (machine.look_at_port("192.0.2.1", 0), Level.PROBLEM, "192.0.2.1"),
        (machine.look_at_job_python(None), Level.NOTE, "no `python`"),
        (machine.look_at_job_python("/bin/false"), Level.NOTE, "does not start"),
        (machine.look_at_slurm("/usr/bin/sinfo"), Level.OK, "/usr/bin/sinfo"),
    ],
)
def test_a_part_of_the_machine(finding: Finding, level: Level, told: str) -> None:
    assert finding.level is level, finding
    assert told in finding.told
    assert finding.level is not Level.PROBLEM or finding.hint


def test_a_home_on_another_machine_is_a_problem() -> None:
    finding = home.look_at_place(Path("/mnt/home"), Path("/mnt"), NFS)
    assert (finding.level, "nfs4" in finding.told) == (Level.PROBLEM, True)


def test_a_home_that_others_may_enter_is_noted(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert home.look_at_place(tmp_path, tmp_path).level is Level.NOTE
    tmp_path.chmod(0o700)
    assert home.look_at_place(tmp_path, tmp_path).level is Level.OK
    absent = tmp_path / "a" / "b"
    assert home.find_existing(absent) == tmp_path
    assert "first `qd up`" in home.look_at_place(absent, tmp_path).told


def test_what_is_not_a_folder_cannot_be_a_home(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert home.look_at_place(tmp_path / "file", tmp_path / "file").level is Level.PROBLEM


def test_a_good_home_leaves_nothing_behind(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    levels = {finding.about: finding.level for finding in home.look_at_home(tmp_path)}
    assert levels.pop("accounts") is Level.NOTE
    assert levels.pop("privilege") is (Level.OK if os.geteuid() else Level.NOTE)
    assert set(levels.values()) == {Level.OK}, levels
    assert {"home", "disk", "store", "locks", "clock", "token", "server"} == set(levels)
    assert list(tmp_path.iterdir()) == []


def test_a_clock_that_was_never_set_is_a_problem(tmp_path: Path) -> None:
    assert home.look_at_clock(tmp_path, 12.0).level is Level.PROBLEM
    assert home.look_at_clock(tmp_path, 4e9).level is Level.NOTE


def test_a_token_that_others_may_read_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    (tmp_path / "token").chmod(0o644)
    finding = home.look_at_token(tmp_path / "token")
    assert (finding.level, "secret" in finding.told) == (Level.PROBLEM, False)
    (tmp_path / "token").chmod(0o600)
    assert home.look_at_token(tmp_path / "token").level is Level.OK


def test_a_server_is_absent_silent_strange_or_right(tmp_path: Path) -> None:
    def silent(_: Path) -> str:
        raise Unavailable("it does not answer", hint="wait")

    assert home.look_at_server(tmp_path, silent).level is Level.OK
    (tmp_path / "server.json").write_text("{}")
    assert home.look_at_server(tmp_path, silent).told == "it does not answer"
    assert home.look_at_server(tmp_path, lambda _: "9.9").level is Level.NOTE
    assert home.look_at_server(tmp_path, lambda _: __version__).level is Level.OK


def test_the_report_ends_with_a_verdict() -> None:
    good = as_text([ok("a", "fine"), note("b", "hm", "do that")])
    assert good.splitlines()[-1] == "Quarterdeck works here; 1 to know of"
    assert "-> do that" in good
    assert as_text([problem("a", "bad", "mend it")]).splitlines()[-1].startswith("1 to be mended")


def test_a_part_that_cannot_be_looked_at_does_not_hide_the_others() -> None:
    def look() -> Finding:
        raise OSError(28, "No space left on device")

    finding = attempt("clock", look)
    assert (finding.about, finding.level) == ("clock", Level.PROBLEM)
    assert "No space left" in finding.told


def test_a_port_that_is_taken_is_a_problem() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        finding = machine.look_at_port("127.0.0.1", port)
    assert (finding.level, str(port) in finding.told) == (Level.PROBLEM, True)
    assert "--port 0" in finding.hint
