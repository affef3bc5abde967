"""What becomes of the options of a batch script, and what is said about them."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import format_id
from quarterdeck.batch.numbers import number_of
from quarterdeck.core.jobs.image import check_image
from quarterdeck.sdk.sbatch.directives import read_script, read_words
from quarterdeck.sdk.sbatch.options import OPTIONS
from quarterdeck.sdk.sbatch.request import Around, Batch, to_batch

ID = "jr0123456z"


def batch(*lines: str, typed: tuple[str, ...] = (), **around: Any) -> Batch:
    text = "\n".join(("#!/bin/bash", *(f"#SBATCH {line}" for line in lines), "true", ""))
    read = read_script(text.encode(), "job.sh")
    return to_batch(read, read_words(typed), Around("job.sh", **around))


def refusal(*lines: str, typed: tuple[str, ...] = ()) -> Invalid:
    with pytest.raises(Invalid) as caught:
        batch(*lines, typed=typed)
    assert caught.value.hint
    return caught.value


def names(text: str) -> list[tuple[str, str | None, int]]:
    return [(one.option.name, one.value, one.line) for one in read_script(text.encode(), "a.sh")]


def test_a_line_is_read_as_sbatch_reads_it() -> None:
    read = names(
        "#!/bin/sh\n"
        "#SBATCH -N2 -n 4 --time=5   --mem 3G # what for\n"
        "# a comment, and a blank line\n"
        "\n"
        "##SBATCH --exclusive\n"
        "# SBATCH --exclusive\n"
        '#SBATCH --job-name=\'two words\' --comment="it\\"s" -J=third\n'
        "#SBATCH --exclusive=user -Hs\n"
        "  echo first command\n"
        "#SBATCH --nodes=99\n"
    )
    assert read == [
        ("nodes", "2", 2),
        ("ntasks", "4", 2),
        ("time", "5", 2),
        ("mem", "3G", 2),
        ("job-name", "two words", 7),
        ("comment", 'it"s', 7),
        ("job-name", "third", 7),
        ("exclusive", "user", 8),
        ("hold", None, 8),
        ("oversubscribe", None, 8),
    ]


def test_a_long_name_may_be_cut_short_while_it_is_clear() -> None:
    assert names("#!/bin/sh\n#SBATCH --part=a --tasks-per-node 2\n") == [
        ("partition", "a", 2),
        ("ntasks-per-node", "2", 2),
    ]
    told = refusal("--ntasks-per=2")
    assert "job.sh:2:1: --ntasks-per is no option of sbatch" in told.message
    assert "ntasks-per-node" in told.hint


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"echo\n#SBATCH -N 1\n", "a.sh:1:1: this is no batch script"),
        (b"#!/bin/sh\r\n#SBATCH -N 1\r\n", "a.sh:1:1: the line ends as on Windows"),
        (b"#!/bin/sh\n#SBATCH-N 1\n", "a.sh:2:1: '#SBATCH-N 1' is no line of options"),
        (b"#!/bin/sh\n#SBATCH\n#SBATCH stray -N 1\n", "a.sh:3:1: 'stray' is no option"),
        (b"#!/bin/sh\n#SBATCH --nodes\n", "a.sh:2:1: --nodes: its value is missing"),
        (b"#!/bin/sh\n#SBATCH --hold=1\n", "a.sh:2:1: --hold=1: it takes no value"),
        (b"#!/bin/sh\n#SBATCH --job-name='a\n", "a.sh:2:1: a ' is opened and not closed"),
        (b"#!/bin/sh\n#SBATCH --cpu-per-task=4\n", "a.sh:2:1: --cpu-per-task is no option"),
        (b"#!/bin/sh\n#SBATCH -Y 4\n", "a.sh:2:1: -Y is no option"),
        (b"#!/bin/sh\n#SBATCH hetjob\n", "a.sh:2:1: a job of several components"),
    ],
)
def test_what_is_no_option_is_refused_with_its_line(content: bytes, told: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_script(content, "a.sh")
    assert told in caught.value.message
    assert caught.value.hint


def test_every_option_of_sbatch_is_mapped_let_go_with_a_word_or_refused() -> None:
    for option in OPTIONS:
        fates = (bool(option.warning), bool(option.refusal), option.is_mapped)
        assert sum(fates) == 1, option.name
        value = "" if option.takes == "nothing" else "=1"
        line = f"--{option.name}{value}"
        if option.refusal:
            told = refusal(line)
            assert told.message.startswith(f"job.sh:2:1: --{option.name}")
            assert f"--ignore {option.name}" in told.hint
        elif option.warning:
            (said,) = batch(line).warnings
            assert said.startswith(f"job.sh:2: --{option.name}")
            assert batch(line).request == batch().request


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("30", "1800s"),
        ("5:30", "330s"),
        ("1:00:00", "3600s"),
        ("2-12", "216000s"),
        ("1-1:30", "91800s"),
        ("1-00:00:01", "86401s"),
        ("90:00", "5400s"),
        ("2h", "7200s"),
        ("0", None),
        ("UNLIMITED", None),
        ("infinite", None),
    ],
)
def test_a_time_has_all_the_forms_of_slurm(text: str, limit: str | None) -> None:
    assert batch(f"--time={text}").request.time_limit == limit


@pytest.mark.parametrize("text", ["", "1:", "-5", "1-", "1-2:3:4:5", "soon", "99999999999", "1.5"])
def test_what_is_no_time_is_refused(text: str) -> None:
    assert "job.sh:2:1: --time=" in refusal(f"--time='{text}'").message


@pytest.mark.parametrize(
    ("lines", "nodes", "tasks", "cpu"),
    [
        ([], 1, 1, 1),
        (["-n 6"], 1, 6, 6),
        (["-N 2"], 2, 2, 1),
        (["-N 2 --ntasks-per-node=4 -c 3"], 2, 8, 12),
        (["-n 8 --ntasks-per-node=4"], 2, 8, 4),
        (["-N 4 -n 30 -c 2"], 4, 30, 16),
        (["-N 2-4 --ntasks-per-node=2"], "2..4", None, 2),
        (["--nodes=2-2"], 2, 2, 1),
        (["-G 4 --cpus-per-gpu=8"], 1, 1, 32),
        (["--gres=gpu:4 --ntasks-per-gpu=2"], 1, 8, 8),
        (["--mincpus=7"], 1, 1, 7),
    ],
)
def test_tasks_make_the_shape(lines: list[str], nodes: Any, tasks: int | None, cpu: int) -> None:
    made = batch(*lines)
    assert (made.request.nodes, made.facts["tasks"]) == (nodes, tasks)
    assert made.request.resources.cpu == cpu


def test_there_are_no_more_nodes_than_tasks() -> None:
    made = batch("-N 4", "-n 2")
    assert (made.request.nodes, made.facts["tasks_per_node"]) == (2, 1)
    assert made.warnings == [
        "job.sh:3: --ntasks=2: the job takes 2 nodes: there is no task for more"
    ]


@pytest.mark.parametrize(
    ("line", "gpu"),
    [
        ("--gres=gpu", 1),
        ("--gres=gpu:4", 4),
        ("--gres=gpu:a100", "a100:1"),
        ("--gres=gpu:a100:4", "a100:4"),
        ("--gres=gpu:1g.10gb:2", "mig-1g.10gb:2"),
        ("--gres=gpu:nvidia_a100_3g.20gb:1", "mig-3g.20gb:1"),
        ("--gres=none", 0),
        ("-N 2 -G 8", 4),
        ("-N 2 --gpus=h100:8", "h100:4"),
        ("--gpus-per-node=v100:2", "v100:2"),
        ("-n 4 --gpus-per-task=2", 8),
        ("-N 2 -n 4 --gpus-per-task=a100:1 --gpus=4", "a100:2"),
        ("-C a100 --gres=gpu:2", "a100:2"),
        ("--constraint='a100|h100' -G 1", "a100|h100:1"),
    ],
)
def test_gpus_are_told_in_many_ways(line: str, gpu: str | int) -> None:
    assert batch(line).request.resources.gpu == gpu


@pytest.mark.parametrize(
    ("line", "option"),
    [
        ("--gres=shard:4", "gres"),
        ("--gres=gpu:a100:1,gpu:v100:1", "gres"),
        ("--gpus=a100:1,v100:1", "gpus"),
        ("-N 3 --gpus=8", "gpus"),
        ("-N 2-3 --gpus=6", "gpus"),
        ("--gres=gpu:2 --gpus-per-node=3", "gpus-per-node"),
        ("-C skylake -G 1", "constraint"),
        ("-C a100", "constraint"),
        ("--mem=4G --mem-per-cpu=1G", "mem-per-cpu"),
        ("--mem=1.5G", "mem"),
        ("--mem-per-gpu=4G", "mem-per-gpu"),
        ("--nodes=0", "nodes"),
        ("--nodes=4-2", "nodes"),
        ("--ntasks=0", "ntasks"),
        ("-N 2 -n 9 --ntasks-per-node=4", "ntasks"),
        ("--cpus-per-task=some", "cpus-per-task"),
        ("--signal=KILL@5", "signal"),
        ("--signal=USR1@", "signal"),
        ("--dependency=afterany:" + ID, "dependency"),
        ("--dependency=singleton", "dependency"),
        ("--dependency=afterok:$PREVIOUS", "dependency"),
        ("--exclusive", "exclusive"),
        ("--export=2A=3", "export"),
        ("--nodelist=n1", "nodelist"),
        ("--reservation=x", "reservation"),
        ("--account=''", "account"),
        ("--container-mounts=/data:/data", "container-mounts"),
    ],
)
def test_what_cannot_be_mapped_is_refused_by_name(line: str, option: str) -> None:
    told = refusal(line)
    assert f"job.sh:2:1: --{option}" in told.message
    assert told.field == option


@pytest.mark.parametrize(
    ("line", "memory"),
    [
        ("--mem=4000", "4000MiB"),
        ("--mem=4G", "4096MiB"),
        ("--mem=1025K", "2MiB"),
        ("--mem=1TB", "1048576MiB"),
        ("-c 4 --mem-per-cpu=500M", "2000MiB"),
        ("-G 2 --mem-per-gpu=1g", "2048MiB"),
        ("--mem=0", None),
    ],
)
def test_memory_is_in_powers_of_two_and_mib_without_a_unit(line: str, memory: str | None) -> None:
    assert batch(line).request.resources.memory == memory


def test_the_command_line_wins_by_what_is_wished_not_by_the_word() -> None:
    made = batch(
        "--mem-per-cpu=1G --gres=gpu:a100:4 --exclusive --time=5 --requeue -J mine",
        typed=("--mem=2G", "--gpus=1", "-s", "-t", "1:00", "--no-requeue"),
    )
    asked = made.request
    assert (asked.resources.memory, asked.resources.gpu, asked.time_limit) == ("2048MiB", 1, "60s")
    assert (asked.retry.limit, asked.preemptible, asked.name) == (0, False, "mine")
    assert refusal("-N 1", typed=("--nodelist=a",)).message.startswith("--nodelist=a: ")


def test_a_warning_moves_the_limit_to_when_it_comes() -> None:
    made = batch("--time=10 --signal=B:SIGUSR1@120")
    assert (made.request.time_limit, made.request.checkpoint.grace) == ("480s", "150s")
    assert made.request.checkpoint.signal == "USR1"
    assert made.facts["warning"] == {"name": "USR1", "before_s": 120, "is_batch": True}
    assert batch("--signal=12 -t 5").request.time_limit == "240s"
    assert batch("--signal=USR1@600 -t 5").request.time_limit == "1s"
    assert batch("-t 5").request.checkpoint.grace == "30s"


def test_names_arrays_needs_and_tags() -> None:
    made = batch(
        "-J 'my model/v2' -a 0-15:4%2 -p gpu,long -q high -M local --comment='for you'",
        f"-d afterok:{ID}:26388279066655,afterok:{ID}",
    )
    asked = made.request
    assert (asked.name, made.facts["name"]) == ("my-model-v2", "my model/v2")
    assert (asked.array, asked.priority, asked.site) == ("0-15:4%2", "high", "local")
    assert asked.needs == [ID, format_id("j", 26388279066655)]
    assert asked.tags == {"slurm.partition": "gpu,long", "slurm.comment": "for you"}
    assert len(made.warnings) == 2
    assert batch().request.name == "job.sh"


def test_a_number_in_a_dependency_is_the_id_that_has_it() -> None:
    made = batch(f"--dependency=afterok:{number_of(ID)}")
    assert made.request.needs == [ID]


def test_variables_travel_by_name_only() -> None:
    around = {"HOME": "/home/me", "TOKEN": "secret", "LR": "0.1"}
    made = batch("--export=ALL,LR,A=b=c,GONE,MASTER_PORT=29500", variables=around)
    assert made.request.env == {"LR": "0.1", "A": "b=c"}
    assert made.facts["variables"] == {"MASTER_PORT": "29500"}
    assert [line.partition(": ")[2].partition(": ")[2] for line in made.warnings] == [
        "only the variables that it names travel, not all of your shell",
        "GONE is not set here, so it does not travel",
    ]
    assert batch("--export=NONE", variables=around).request.env == {}


@pytest.mark.parametrize(
    ("line", "image"),
    [
        (
            r"--container-image nvcr.io\#nvidia/pytorch:24.01-py3",
            "nvcr.io/nvidia/pytorch:24.01-py3",
        ),
        ("--container-image=nvcr.io#nvidia/cuda:12", "nvcr.io/nvidia/cuda:12"),
        ("--container-image=docker://ghcr.io/ours/torch:2", "ghcr.io/ours/torch:2"),
        ("--container-image=registry:5000/ours:2", "registry:5000/ours:2"),
        ("--container-image=almalinux:9", "docker.io/library/almalinux:9"),
        ("--container-image=nvidia/cuda:12", "docker.io/nvidia/cuda:12"),
        ("--container-image=docker.io#python", "docker.io/library/python"),
        (
            "--container-image=ubuntu@sha256:" + "0" * 64,
            "docker.io/library/ubuntu@sha256:" + "0" * 64,
        ),
        ("--container-image=/shared/x.sqsh", "/shared/x.sqsh"),
    ],
)
def test_an_image_as_pyxis_has_it_is_the_image_of_the_job(line: str, image: str) -> None:
    made = batch(line)
    assert made.request.image == image
    check_image(image)
    (told,) = made.warnings
    assert told.endswith("so it has to have python3 and the shell")
    assert made.places[("image",)].line == 2


def test_what_is_no_image_of_a_registry_or_a_file_is_refused() -> None:
    made = batch("--container-image='$oauthtoken@nvcr.io#nvidia/cuda:12'")
    assert made.request.image == "nvcr.io/nvidia/cuda:12"
    assert "the login $oauthtoken does not travel" in made.warnings[0]
    for value, told in (("./x.sqsh", "not whole"), ("dockerd://x", "daemon")):
        refused = refusal(f"--container-image={value}")
        assert told in refused.message
        assert refused.field == "container-image"


def test_a_refusal_of_the_server_finds_the_line() -> None:
    places = batch("-A vision", "--gres=gpu:9 -t 5", "--mem=9T").places
    assert places[("team",)].line == 2
    assert places[("resources", "gpu")].line == places[("time_limit",)].line == 3
    assert places[("resources", "memory")].line == 4
