"""A job file that is wrong is refused with its line, its value and what to do; nothing is kept.

Each case is judged twice: by `qd validate` without a server, and by `qd submit` with one.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.bad_input.typing_qd import assert_refused, qd

CASES: dict[str, tuple[str | bytes, str, str]] = {
    # what is wrong: (the file, where it is told, what is told)
    "unknown key": ("run: a\nnodez: 2\n", "2:1", "no key nodez"),
    "unknown key inside": ("run: a\nresources: {gpus: 2}\n", "2:13", "no key gpus"),
    "key of the design": ("run: a\nlauncher: x\n", "2:1", "launcher is not available on this"),
    "key of the server": (f"run: a\nsnapshot: {'0' * 64}\n", "2:1", "no key snapshot"),
    "key in capitals": ("RUN: a\n", "1:1", "no key RUN"),
    "key that looks alike": ("run: a\nn\u0430me: x\n", "2:1", r"no key 'n\u0430me'"),
    "key with an escape code": ('run: a\n"\\e[31m": x\n', "2:1", r"no key '\x1b[31m'"),
    "doubled key": ("run: a\nnodes: 1\nnodes: 1\n", "3:1", "the key nodes is there twice"),
    "doubled variable": ("run: a\nenv: {A: 1, A: 2}\n", "2:13", "the key A is there twice"),
    "key without value": ("run: a\nsite:\n", "2:1", "site has no value"),
    "no command": ("name: a\n", "1:1", "the key run is missing"),
    "empty command": ('run: ""\n', "1:1", "run is empty"),
    "blank command": ('run: "  "\n', "1:1", "run is empty"),
    "no arguments": ("run: []\n", "1:1", "no command"),
    "empty program": ('run: [""]\n', "1:1", "no command"),
    "command as a mapping": ("run: {a: b}\n", "1:1", "neither a line nor a list"),
    "argument as a list": ("run: [a, [b]]\n", "1:10", "run"),
    "too many arguments": ("run: [" + "a," * 5000 + "]\n", "1:1", "5000 arguments"),
    "command with NUL": ('run: "a\\0"\n', "1:1", "NUL byte"),
    "text where a number belongs": ("run: a\nnodes: many\n", "2:1", "nodes is 'many'"),
    "number in quotes": ('run: a\nnodes: "2"\n', "2:1", "neither a number nor a range"),
    "true where a number belongs": ("run: a\nnodes: true\n", "2:1", "nodes is true"),
    "true as GPUs": ("run: a\nresources: {gpu: true}\n", "2:13", "resources.gpu is true"),
    "number where true belongs": ("run: a\nhold: 1\n", "2:1", "neither true nor false"),
    "yes where true belongs": ("run: a\nhold: yes\n", "2:1", "hold is 'yes'"),
    "YAML 1.1 yes": ("%YAML 1.1\n---\nrun: a\nhold: yes\n", "4:1", "hold is 'yes'"),
    "fraction": ("run: a\nnodes: 1.5\n", "2:1", "nodes is '1.5'"),
    "NaN": ("run: a\nnodes: .nan\n", "2:1", "nodes is '.nan'"),
    "infinity": ("run: a\nretry: {limit: .inf}\n", "2:9", "retry.limit is '.inf'"),
    "exponent": ("run: a\nnodes: 1e3\n", "2:1", "nodes is '1e3'"),
    "hexadecimal": ("run: a\nnodes: 0x10\n", "2:1", "nodes is '0x10'"),
    "underscores": ("run: a\nnodes: 1_0\n", "2:1", "nodes is '1_0'"),
    "other digits": ("run: a\nnodes: \u0663\n", "2:1", r"nodes is '\u0663'"),
    "no nodes": ("run: a\nnodes: 0\n", "2:1", "nodes is 0; it goes from 1"),
    "negative nodes": ("run: a\nnodes: -1\n", "2:1", "nodes is -1; it goes from 1"),
    "too many nodes": ("run: a\nnodes: 100001\n", "2:1", "nodes is 100001"),
    "a huge integer": (f"run: a\nnodes: {'9' * 5000}\n", "2:1", "5002 characters"),
    "no CPUs": ("run: a\nresources: {cpu: 0}\n", "2:13", "resources.cpu is 0"),
    "negative GPUs": ("run: a\nresources: {gpu: -1}\n", "2:13", "resources.gpu is -1"),
    "no copies": ("run: a\nranks_per_node: 0\n", "2:1", "ranks_per_node is 0"),
    "GPUs of no number": ('run: a\nresources: {gpu: "A100:"}\n', "2:13", "gpu is 'A100:'"),
    "zero GPUs of a model": ('run: a\nresources: {gpu: "A100:0"}\n', "2:13", "'A100:0'"),
    "a choice of nothing": ('run: a\nresources: {gpu: "H100|:4"}\n', "2:13", "'H100|:4'"),
    "a slice of no profile": ('run: a\nresources: {gpu: "mig-9x:1"}\n', "2:13", "'mig-9x:1'"),
    "more than all of a GPU": ('run: a\nresources: {gpu: "share-100%"}\n', "2:13", "'share-100%'"),
    "a range upside down": ("run: a\nnodes: 8..2\n", "2:1", "'8..2'"),
    "a level that is none": ("run: a\ntopology: {require: aisle}\n", "2:12", "'aisle'"),
    "two nodes within one": (
        "run: a\nnodes: 2\ntopology: {require: node}\n", "3:12", "topology.require is node"
    ),
    "GPUs as a list": ("run: a\nresources: {gpu: [A100]}\n", "2:13", "resources.gpu"),
    "memory without unit": ("run: a\nresources: {memory: 64}\n", "2:13", "memory is '64'"),
    "no memory": ("run: a\nresources: {memory: 0GiB}\n", "2:13", "'0GiB'"),
    "negative memory": ("run: a\nresources: {memory: -1GiB}\n", "2:13", "'-1GiB'"),
    "memory of NaN": ("run: a\nresources: {memory: NaNGiB}\n", "2:13", "'NaNGiB'"),
    "memory of 400 digits": (f"run: a\nresources: {{memory: {'9' * 400}GiB}}\n", "2:13", "403 ch"),
    "resources as a list": ("run: a\nresources: [gpu]\n", "2:1", "not a mapping"),
    "time without unit": ("run: a\ntime_limit: 90\n", "2:1", "time_limit is '90'"),
    "no time": ("run: a\ntime_limit: 0s\n", "2:1", "time_limit is 0ms; it goes from 1s"),
    "negative time": ("run: a\ntime_limit: -5m\n", "2:1", "time_limit is '-5m'"),
    "more than a year": ("run: a\ntime_limit: 400d\n", "2:1", "time_limit is 400d00h"),
    "time of 5000 digits": (f"run: a\ntime_limit: {'9' * 5000}s\n", "2:1", "5001 characters"),
    "time that is a word": ("run: a\ncheckpoint: {grace: soon}\n", "2:14", "grace is 'soon'"),
    "grace that is too long": ("run: a\ncheckpoint: {grace: 2d}\n", "2:14", "grace is 2d00h"),
    "signal that cannot be caught": ("run: a\ncheckpoint: {signal: KILL}\n", "2:14", "'KILL'"),
    "checkpoint above": ("run: a\ncheckpoint: {path: ../x}\n", "2:14", "'../x'"),
    "checkpoint at the root": ("run: a\ncheckpoint: {path: /etc}\n", "2:14", "'/etc'"),
    "checkpoint that climbs": ("run: a\ncheckpoint: {path: a/../../b}\n", "2:14", "'a/../../b'"),
    "checkpoint that is all": ("run: a\ncheckpoint: {path: .}\n", "2:14", "checkpoint.path is '.'"),
    "checkpoint with NUL": ('run: a\ncheckpoint: {path: "a\\0"}\n', "2:14", r"'a\x00'"),
    "checkpoint in two lines": ('run: a\ncheckpoint: {path: "a\\nb"}\n', "2:14", r"'a\nb'"),
    "checkpoint of a long name": (f"run: a\ncheckpoint: {{path: {'a' * 300}}}\n", "2:14", "path"),
    "retry after success": ("run: a\nretry: {on: [completed]}\n", "2:", "'completed'"),
    "retry after a typing error": ("run: a\nretry: {on: [node_failur]}\n", "2:", "'node_failur'"),
    "retry as a word": ("run: a\nretry: {on: node_failure}\n", "2:9", "not a list"),
    "too many retries": ("run: a\nretry: {limit: 101}\n", "2:9", "retry.limit is 101"),
    "negative retries": ("run: a\nretry: {limit: -1}\n", "2:9", "retry.limit is -1"),
    "priority of its own": ("run: a\npriority: urgent\n", "2:1", "use one of 'low', 'normal' or"),
    "variable with =": ('run: a\nenv: {"A=B": x}\n', "2:", "named 'A=B'"),
    "variable without name": ('run: a\nenv: {"": x}\n', "2:", "named ''"),
    "variable that begins with a digit": ("run: a\nenv: {1A: x}\n", "2:", "named '1A'"),
    "variable of the house": ("run: a\nenv: {QD_JOB_ID: x}\n", "2:", "QD_JOB_ID"),
    "variable with NUL": ('run: a\nenv: {A: "\\0"}\n', "2:", "env.A contains a NUL byte"),
    "variable as a mapping": ("run: a\nenv: {A: {B: c}}\n", "2:7", "env.A is not a text"),
    "variables as a list": ("run: a\nenv: [A=1]\n", "2:1", "env is not a mapping"),
    "too many variables": (
        "run: a\nenv: {" + ", ".join(f"A{n}: x" for n in range(1025)) + "}\n", "2:1", "1025 var"),
    "too large a variable": (f"run: a\nenv: {{A: {'x' * 140_000}}}\n", "2:", "env has 1 variable"),
    "tag with a bad key": ('run: a\ntags: {"a b": c}\n', "2:", "'a b'"),
    "tag of two lines": ('run: a\ntags: {a: "b\\nc"}\n', "2:", r"tags.a is 'b\nc'"),
    "tag that is long": (f"run: a\ntags: {{a: {'b' * 129}}}\n", "2:", "129 characters"),
    "tag as a list": ("run: a\ntags: {a: [b]}\n", "2:", "tags.a is ['b']"),
    "too many tags": (
        "run: a\ntags: {" + ", ".join(f"a{n}: x" for n in range(65)) + "}\n", "2:1", "65 tags"),
    "name with a space": ("run: a\nname: a b\n", "2:1", "name is 'a b'"),
    "name with a slash": ("run: a\nname: ../a\n", "2:1", "name is '../a'"),
    "name with a bell": ('run: a\nname: "a\\a"\n', "2:1", r"name is 'a\x07'"),
    "name that turns the text": ('run: a\nname: "a\\u202Eb"\n', "2:1", r"name is 'a\u202eb'"),
    "name of other letters": ("run: a\nname: tr\u0430in\n", "2:1", r"tr\u0430in"),
    "name that is long": (f"run: a\nname: {'a' * 129}\n", "2:1", "129 characters"),
    "name that is a number": ("run: a\nname: 7\n", "2:1", "name is 7, which is not a text"),
    "team that is empty": ('run: a\nteam: ""\n', "2:1", "team is ''"),
    "site with a slash": ("run: a\nsite: a/b\n", "2:1", "site is 'a/b'"),
    "array that is empty": ('run: a\narray: ""\n', "2:1", "array is ''"),
    "array without end": ("run: a\narray: 0-\n", "2:1", "array is '0-'"),
    "array backwards": ("run: a\narray: 9-0\n", "2:1", "the range 9-0 is empty"),
    "array without step": ("run: a\narray: 0-9:0\n", "2:1", "the range 0-9:0 is empty"),
    "array none at once": ("run: a\narray: 0-9%0\n", "2:1", "'0' is not a number of tasks"),
    "array of too many": ("run: a\narray: 0-999999999\n", "2:1", "more than 10000 tasks"),
    "array with an index twice": ("run: a\narray: 1,0-3\n", "2:1", "names an index twice"),
    "array of words": ("run: a\narray: all\n", "2:1", "array is 'all'"),
    "negative array": ("run: a\narray: -5\n", "2:1", "array is '-5'"),
    "needs itself": ("run: a\nname: b\nneeds: [b]\n", "3:", "needs"),
    "needs nobody": ("run: a\nneeds: [prepare]\n", "2:", "needs names 'prepare'"),
    "needs an id that looks alike": ("run: a\nneeds: [j\u0430aaaaaaaa]\n", "2:", r"j\u0430aaaa"),
    "needs an id in capitals": ("run: a\nneeds: [J000000001]\n", "2:", "'J000000001'"),
    "needs one twice": ("run: a\nneeds: [j000000001, j000000001]\n", "2:1", "1 of them different"),
    "needs as a word": ("run: a\nneeds: prepare\n", "2:1", "not a list"),
    "work folder that is a list": ("run: a\nworkdir: [x]\n", "2:1", "workdir is ['x']"),
    "work folder without name": ('run: a\nworkdir: ""\n', "2:1", "names no folder"),
    "work folder with NUL": ('run: a\nworkdir: "a\\0"\n', "2:1", "names no folder"),
    "a list": ("- run: a\n", "1:1", "not a mapping"),
    "a word": ("run\n", "1:1", "not a mapping"),
    "nothing": ("", "1:1", "empty"),
    "only a comment": ("# run: a\n", "1:1", "empty"),
    "an empty document": ("---\n", "", "not a mapping"),
    "indentation": ("run: a\n  name: b\n", "2:", ""),
    "a tab": ("run: a\nenv:\n\tA: x\n", "3:1", "cannot start any token"),
    "an open quote": ("run: 'a\n", "2:1", ""),
    "an open bracket": ("run: [a\n", "", ""),
    "a key that is a list": ("? [a]\n: b\nrun: a\n", "1:3", "a key is a list or a mapping"),
    "an anchor": ("run: &a b\n", "1:6", "anchors"),
    "an alias": ("run: a\nname: *a\n", "2:7", "anchors"),
    "a merge": ("run: a\n<<: {name: b}\n", "2:1", "no key '<<'"),
    "a bomb of aliases": (
        "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 60)), "1:", ""),
    "a Python object": ("run: !!python/object/apply:os.system [x]\n", "1:6", "the tag"),
    "a Python name as key": ("run: a\n!!python/name:os.system name: b\n", "2:1", "the tag"),
    "a tag of its own": ("run: a\nenv: {A: !secret b}\n", "2:10", "the tag '!secret'"),
    "a set": ("run: a\nenv: !!set {A, B}\n", "2:6", "the tag"),
    "bytes": ("run: !!binary aGk=\n", "1:6", "the tag"),
    "another YAML": ("%YAML 9.9\n---\nrun: a\n", "1:1", ""),
    "deep nesting": ("run: " + "[" * 5000 + "\n", "1:", ""),
    "deep mappings": ("env: " + "{a: " * 300 + "b" + "}" * 300 + "\n", "1:", "nested"),
    "10 MB": ("run: a\n" + "#" * 10_000_000, "1:1", "larger than 1048576 bytes"),
    "a million values": ("run: [" + "a," * 500_000 + "]", "1:", "more than 50000 values"),
    "half a surrogate pair": ('run: "a\\ud800"\n', "1:6", "half of a surrogate pair"),
    "NUL bytes": (b"run: a\0b\n", "1:7", "U+0000"),
    "an escape byte": (b"run: a\x1b[2J\n", "1:7", "U+001B"),
    "Latin-1": (b"run: a\nname: caf\xe9\n", "2:10", "not UTF-8"),
    "UTF-16": ("run: a\n".encode("utf-16"), "1:1", "not UTF-8"),
    "a program": (b"\x7fELF\x02\x01\x01\0\0\0\xff\xfe", "1:", ""),
}  # fmt: skip
TOLD_BY_THE_SERVER = {
    "a model that no node has": ('resources: {gpu: "Z900:1"}', "Z900"),
    "9 GPUs on nodes of 8": ('resources: {gpu: "A100:9"}', "9 GPUs on one node wanted"),
    "3 nodes of 2": ("nodes: 3", "3 nodes wanted"),
    "more CPUs than a node has": ("resources: {cpu: 65}", "65 CPUs"),
    "more memory than a node has": ("resources: {memory: 2TiB}", "can never fit"),
    "an id that is nobody's": ("needs: [j000000042]", "there is no such job"),
    "a site that is not there": ("site: moon", "there is no site 'moon'"),
}


def write(folder: Path, content: str | bytes) -> str:
    path = folder / "job.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


@pytest.mark.parametrize(("content", "place", "told"), CASES.values(), ids=CASES.keys())
def test_a_wrong_file_is_refused_with_place_value_and_remedy(
    tmp_path: Path, content: str | bytes, place: str, told: str
) -> None:
    path = write(tmp_path, content)
    checked = qd("validate", path)
    assert checked.code == 3, checked
    assert f"{path}:{place}" in checked.out
    assert told in checked.out
    assert checked.out.count("    hint: ") >= 1
    assert checked.out.replace("\n", "").isprintable()
    assert_refused(qd("submit", path), f"{path}:", told)


@pytest.mark.parametrize(
    ("line", "told"), TOLD_BY_THE_SERVER.values(), ids=TOLD_BY_THE_SERVER.keys()
)
def test_what_can_never_fit_is_told_by_the_server(tmp_path: Path, line: str, told: str) -> None:
    path = write(tmp_path, f"run: a\n{line}\n")
    assert qd("validate", path).code == 0
    checked = qd("validate", "--server", path)
    assert checked.code == 3
    assert told in checked.out
    assert_refused(qd("submit", path), told)
    assert_refused(qd("plan", path), told)


SEVERAL = {
    "a circle": (
        ("{name: a, run: x, needs: [b]}\n---\n{name: b, run: x, needs: [c]}\n---\n"
         "{name: c, run: x, needs: [a]}\n"), "5:27", "wait for each other: a → b → c → a"),
    "one that waits for itself": ("{name: a, run: x, needs: [a]}\n", "1:27", "a needs itself"),
    "a name that is nearly right": (
        "{name: prepare, run: x}\n---\n{run: x, needs: [prepair]}\n",
        "3:18", "did you mean prepare"),
    "a name that two have": (
        "{name: a, run: x}\n---\n{name: a, run: x}\n---\n{name: b, run: x, needs: [a]}\n", "5:27",
        "2 jobs have that name: those at lines 1 and 3"),
    "a fault in the third": (
        "run: x\n---\nrun: x\n---\nrun: x\nnodes: 0\n", "6:1", "nodes is 0"),
    "an empty job in between": ("run: x\n---\n---\nrun: x\n", "3:1", "not a mapping"),
    "an anchor of another job": ("run: &a x\n---\nrun: *a\n", "1:6", "anchors"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "place", "told"), SEVERAL.values(), ids=SEVERAL.keys())
def test_what_is_wrong_between_jobs_of_a_file_is_told_in_the_right_one(
    tmp_path: Path, content: str, place: str, told: str
) -> None:
    path = write(tmp_path, content)
    checked = qd("validate", path)
    assert checked.code == 3
    assert f"{path}:{place}: " in checked.out, checked.out
    assert told in checked.out
    assert_refused(qd("submit", path), f"{path}:")


def test_a_file_that_cannot_be_read_is_told_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to("b.yaml")
    (tmp_path / "b.yaml").symlink_to("a.yaml")
    for path, told in (
        (tmp_path / "a.yaml", "symbolic links"),
        (tmp_path / "none.yaml", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / ("x" * 300), "too long"),
    ):
        assert_refused(qd("submit", str(path)), told)
        assert told in qd("validate", str(path)).out
        assert qd("validate", str(path)).code == 3


def test_a_work_folder_that_cannot_travel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("pool")
    (tmp_path / "pool").symlink_to("loop")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret").symlink_to("/etc/passwd")
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "link").symlink_to("../../x")
    (tmp_path / "file").write_text("x")
    for name, told in (
        ("nowhere", "not a folder"),
        ("loop", "not a folder"),
        ("file", "not a folder"),
        ("x" * 300, "not a folder"),
        ("out", "secret"),
        ("up", "link"),
    ):
        path = write(tmp_path, f"run: a\nworkdir: {name}\n")
        assert_refused(qd("submit", path), told)


def test_a_name_of_a_file_that_is_no_text_does_not_break_the_message(tmp_path: Path) -> None:
    path = tmp_path / "\udcff\x1b[2J.yaml"
    path.write_text("run: a\nnodes: 0\n")
    done = qd("validate", str(path))
    assert done.code == 3
    assert "\x1b" not in done.out
    assert "nodes is 0" in done.out
    assert "\x1b" not in qd("submit", str(path)).err
