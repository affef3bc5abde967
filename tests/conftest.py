"""What a test may need from this machine, and what happens when it is not there.

A test marked `needs_postgres` and so on is skipped with a reason where the component is missing.
`QD_TEST_REQUIRE=postgres,gpu` names components that must be there: then a missing one fails the
test, so that a run which promised to try the real thing cannot pass by skipping it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.enroot import Enroot
    from tests.slurm.cluster import SlurmCluster

ROOT = Path(__file__).parent.parent
# Where `qd login` has led whoever runs the tests is not where they go.
os.environ["XDG_CONFIG_HOME"] = str(ROOT / "tests" / "no-logins-here")


def why_no_postgres() -> str | None:
    """None when the programs of a PostgreSQL server are here."""
    if shutil.which("pg_ctl") or any(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")):
        return None
    return "no pg_ctl on PATH or in /usr/lib/postgresql/*/bin"


def why_no_slurm() -> str | None:
    """None when the programs of a Slurm cluster are here."""
    if not (shutil.which("sinfo") and shutil.which("sbatch")):
        return "no sinfo and sbatch"
    from tests.slurm.cluster import find_missing

    return find_missing()


def why_no_hosts() -> str | None:
    """None when nodes of a Slurm cluster can have networks and devices of their own here."""
    if (why_not := why_no_slurm()) is not None:
        return why_not
    from tests.slurm.cluster import find_why_no_hosts

    return find_why_no_hosts()


def why_no_slurmdbd() -> str | None:
    """None when a Slurm cluster can keep accounts here, in a database of its own."""
    if (why_not := why_no_slurm()) is not None:
        return why_not
    from tests.slurm.cluster import find_why_no_accounting

    return find_why_no_accounting()


def why_no_torch() -> str | None:
    """None when torch can be imported."""
    return None if importlib.util.find_spec("torch") else "torch is not installed"


def why_no_gpu() -> str | None:
    """None when NVML names at least one GPU."""
    import pynvml

    try:
        pynvml.nvmlInit()
        count = pynvml.nvmlDeviceGetCount()
        pynvml.nvmlShutdown()
    except pynvml.NVMLError as error:
        return f"NVML: {error}"
    return None if count else "NVML knows no GPU"


def why_no_mount() -> str | None:
    """None when a small file system can be made and mounted here."""
    if os.geteuid() != 0:
        return "only root may mount"
    from tests.mounts import mounted

    try:
        with mounted(1):
            return None
    except (OSError, subprocess.CalledProcessError) as error:
        return f"nothing can be mounted: {error}"


def why_no_root() -> str | None:
    """None when processes can be started here as other accounts, with a Python that they reach."""
    if os.geteuid() != 0:
        return "only root may be somebody else"
    from tests.security.yard import find_python

    return None if find_python() else "no Python here can be executed by other accounts"


def why_no_cgroup() -> str | None:
    """None when this machine lets us limit memory and weigh CPUs by cgroup."""
    from quarterdeck.adapters.engines.local.confinement import describe_confinement

    confinement = describe_confinement()
    return None if confinement.memory and confinement.cpu else confinement.why


def why_no_podman() -> str | None:
    """None when a container of an image that we made runs here."""
    from tests.podman import why_no_podman as find_why_not

    return find_why_not()


def why_no_enroot() -> str | None:
    """None when a real enroot starts an image that we made, as an account that is not root."""
    from tests.enroot import why_no_enroot as find_why_not

    return find_why_not()


def why_no_bubblewrap() -> str | None:
    """None when bubblewrap can do here what a job asks of it."""
    from quarterdeck.runner.bubbles import find_bubblewrap, make_options, try_out
    from quarterdeck.runner.refusals import NotEnclosed

    try:
        try_out(find_bubblewrap(), make_options([], [], [], []))
    except NotEnclosed as error:
        return str(error)
    return None


COMPONENTS: dict[str, Callable[[], str | None]] = {
    "postgres": cache(why_no_postgres),
    "slurm": cache(why_no_slurm),
    "hosts": cache(why_no_hosts),
    "slurmdbd": cache(why_no_slurmdbd),
    "torch": cache(why_no_torch),
    "gpu": cache(why_no_gpu),
    "mount": cache(why_no_mount),
    "root": cache(why_no_root),
    "cgroup": cache(why_no_cgroup),
    "podman": cache(why_no_podman),
    "enroot": cache(why_no_enroot),
    "bubblewrap": cache(why_no_bubblewrap),
}


def required_components() -> set[str]:
    """The components that `QD_TEST_REQUIRE` names."""
    names = {name.strip() for name in os.environ.get("QD_TEST_REQUIRE", "").split(",")} - {""}
    unknown = names - COMPONENTS.keys()
    if unknown:
        raise pytest.UsageError(
            f"QD_TEST_REQUIRE names {sorted(unknown)}; components: {sorted(COMPONENTS)}"
        )
    return names


def pytest_configure() -> None:
    """Refuse a misspelt requirement before anything runs."""
    required_components()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, a test whose component is missing."""
    for name, find_why_not in COMPONENTS.items():
        if item.get_closest_marker(f"needs_{name}") is None:
            continue
        why_not = find_why_not()
        if why_not is None:
            continue
        if name in required_components():
            pytest.fail(f"QD_TEST_REQUIRE names {name}, but: {why_not}", pytrace=False)
        pytest.skip(f"needs {name}: {why_not}")


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


@pytest.fixture
def enroot() -> Iterator[Enroot]:
    """An enroot with folders of one test."""
    from tests.enroot import opened

    with opened() as made:
        yield made


@pytest.fixture(scope="session")
def shared_slurm() -> Iterator[SlurmCluster]:
    """The cluster that all tests of this worker share; use `slurm`, which leaves it empty."""
    from tests.slurm.cluster import running_slurm
    from tests.slurm.config import ClusterOptions

    with running_slurm(ClusterOptions(nodes=6)) as cluster:
        yield cluster


@pytest.fixture
def slurm(shared_slurm: SlurmCluster) -> Iterator[SlurmCluster]:
    """A real Slurm of six idle nodes in three racks, eight GPUs each. Its jobs are cancelled
    afterwards; a test that ends a daemon makes its own with `running_slurm`."""
    yield shared_slurm
    shared_slurm.cancel_all()
