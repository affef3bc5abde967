"""Jobs: what is asked, and how it went."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from quarterdeck.wire.v1.base import Answer, Count, Flag, Request

PriorityName = Literal["low", "normal", "high"]
StateName = Literal[
    "held", "queued", "starting", "running", "stopping", "succeeded", "failed", "cancelled"
]
FINAL_STATES: frozenset[StateName] = frozenset({"succeeded", "failed", "cancelled"})

KEYS_NOT_YET: frozenset[str] = frozenset({"inputs", "launcher", "outputs", "secrets"})
"""Keys of the job file that later versions of the server will take: refused, never ignored."""


NodeRange = Annotated[str, StringConstraints(pattern=r"^\s*[0-9]{1,6}\.\.[0-9]{1,6}\s*$")]
"""The least and the most nodes, such as `2..8`."""


class ResourcesRequest(Request):
    """What each node of the job needs."""

    gpu: Count | str = Field(
        default=0,
        description="GPUs per node: a number, or what and how many, such as `A100:8`, "
        "`A100|H100:4` (either), `40GB..:2` (with at least so much memory), `20GB` (the smallest "
        "slice with so much, or a whole GPU), `mig-1g.10gb:3` (slices of a profile) or "
        "`share-25%` (of a GPU's time; nobody enforces it).",
        examples=["A100:8", "A100|H100:4", "mig-1g.10gb:3"],
    )
    cpu: Count = Field(default=1, description="CPUs (hardware threads) per node.")
    memory: str | None = Field(
        default=None, description="Memory per node with its unit.", examples=["64GiB"]
    )


LevelName = Literal["node", "rack", "leaf", "rail", "unit", "pod"]


class TopologyRequest(Request):
    """How the nodes of a job lie to each other. A `leaf` switch and a `rack` are one level."""

    require: LevelName | None = Field(
        default=None, description="All nodes within one of these, or the job waits."
    )
    prefer: LevelName | None = Field(
        default=None,
        description="All nodes within one of these, if there is one with room; whatever is nearer "
        "than this makes no difference.",
    )
    spread: LevelName | None = Field(
        default=None, description="Over as many of these as may be, so that one may fail."
    )


class RetryRequest(Request):
    """After which ends the job gets another attempt."""

    limit: Count = Field(default=0, description="How many further attempts at most.")
    on: list[str] = Field(
        default=["node_failure"],
        description="Reason codes of an attempt's end that lead to another one.",
    )
    backoff: str = Field(
        default="5s",
        description="Wait before the first retry after a fault; twice as long each time.",
    )


class CheckpointRequest(Request):
    """How a running command is warned before every stop, and what of it is kept."""

    signal: str = Field(
        default="TERM", description="The warning: TERM, INT, HUP, USR1, USR2 or QUIT."
    )
    grace: str = Field(
        default="30s", description="Time between the warning and the kill.", examples=["60s"]
    )
    path: str | None = Field(
        default=None,
        description="A folder of the work folder that every attempt finds as the last left it; "
        "the same folder as `$QD_CHECKPOINT`.",
        examples=["ckpt"],
    )


class RoleRequest(Request):
    """A command that runs beside the job's own, on nodes of its own."""

    run: str | list[str] = Field(description="Its command.")
    nodes: Count = Field(default=1, description="On how many different nodes.")
    ranks_per_node: Count = Field(default=1, description="How many copies of it per node.")
    resources: ResourcesRequest = Field(default_factory=ResourcesRequest)


class JobRequest(Request):
    """A job to run. The keys are those of the job file."""

    name: str = Field(default="job", description="A name for people; it need not be unique.")
    team: str | None = Field(
        default=None,
        description="Who pays; left out it is the default team, or the only one of the asker.",
    )
    run: str | list[str] = Field(
        description="The command: a line for `sh -c`, or a list of arguments that no shell sees."
    )
    image: str | None = Field(
        default=None,
        description="The container image that the command runs in: registry, name, and a digest or "
        "a tag; or the path of a file that the nodes have. What a tag or a file means when the job "
        "first starts, it means to the job for ever. Left out, it runs in the site's own "
        "environment.",
        examples=["docker.io/library/python:3.12", "oci-archive:/shared/ours.tar"],
    )
    isolate: Flag = Field(
        default=False,
        description="Without an image, too: of the node's files it may only read, and of what "
        "belongs to Quarterdeck it sees only its own folders.",
    )
    env: dict[str, str] = Field(default={}, description="Variables added to the command's own.")
    nodes: Count | NodeRange = Field(
        default=1,
        description="How many different nodes; all start or none. `2..8`: as many of these as are "
        "free when it starts; where others are guaranteed some of them it gives up those and goes "
        "on with the rest.",
        examples=[4, "2..8"],
    )
    ranks_per_node: Count = Field(default=1, description="How many copies of the command per node.")
    resources: ResourcesRequest = Field(default_factory=ResourcesRequest)
    roles: dict[str, RoleRequest] = Field(
        default={},
        description="Commands that run beside the job's own, by name, each with its own `run`, "
        "`nodes`, `ranks_per_node` and `resources`. They start with it, all or none, and are "
        "stopped when it has ended.",
    )
    topology: TopologyRequest = Field(default_factory=TopologyRequest)
    priority: PriorityName = Field(default="normal", description="Higher goes first.")
    retry: RetryRequest = Field(default_factory=RetryRequest)
    checkpoint: CheckpointRequest = Field(default_factory=CheckpointRequest)
    time_limit: str | None = Field(
        default=None,
        description="How long an attempt may run before it is warned and stopped.",
        examples=["2h"],
    )
    preemptible: Flag = Field(
        default=True,
        description="Whether it may have to make room for others: it is warned, keeps its "
        "checkpoint and its place in the queue, and starts again. A job that may not gets no "
        "GPUs that others are guaranteed.",
    )
    min_runtime: str | None = Field(
        default=None,
        description="For how long an attempt runs at least before it may have to make room.",
        examples=["10m"],
    )
    needs: list[str] = Field(
        default=[],
        description="Jobs that must succeed before this one may start: ids, or names of jobs of "
        "the same file.",
    )
    array: str | None = Field(
        default=None,
        description="One job of many tasks: their indices, and how many may run at once.",
        examples=["0-99%10"],
    )
    tags: dict[str, str] = Field(default={}, description="Free words for filters and bills.")
    hold: Flag = Field(default=False, description="Keep it out of the queue until `release`.")
    site: str | None = Field(default=None, description="Only this site; any when left out.")
    snapshot: str | None = Field(
        default=None, description="Digest of the work folder's manifest, from `POST /v1/snapshots`."
    )


class BatchRequest(Request):
    """Many jobs: all are accepted, or none. `needs` may name jobs of the same batch."""

    jobs: list[JobRequest] = Field(min_length=1, max_length=20_000)


class BatchView(Answer):
    """What was accepted."""

    ids: list[str] = Field(description="In the order of the request; empty for a dry run.")


class GrantView(Answer):
    """What one replica holds."""

    node_rank: int
    node: str
    gpus: list[str] = Field(
        description="UUIDs of the GPUs; a slice is `UUID/PROFILE@START`, a share `UUID/PERCENT%`."
    )
    cpus: int
    memory_bytes: int
    nics: list[str] = Field(default=[], description="The network interfaces nearest to its GPUs.")


class RankView(Answer):
    """How one rank of the command ended."""

    rank: int
    code: int | None = Field(description="Exit code, when it ended by itself.")
    signal: int | None = Field(description="Number of the signal that ended it.")
    stopped: bool = Field(description="Whether it ended because it was asked to.")


class ReplicaView(Answer):
    """One node's part of an attempt."""

    node_rank: int
    node: str
    state: str
    started_at: str | None
    ended_at: str | None
    ranks: list[RankView]
    message: str
    image: str | None = Field(default=None, description="What it runs in, by digest.")
    pull_s: float | None = Field(
        default=None, description="How long its image took to fetch; null where it was there."
    )


class AttemptView(Answer):
    """One numbered try. Times are ISO 8601 in UTC."""

    number: int
    state: str
    site: str
    placed_at: str
    started_at: str | None
    ended_at: str | None
    reason: str | None
    message: str
    exit_code: int | None
    task: int | None = Field(default=None, description="Index of the array's task it is of.")
    placement: list[GrantView]
    replicas: list[ReplicaView]
    grounds: list[str] = Field(default=[], description="Why it lies there.")
    allreduce_gbytes_s: float | None = Field(
        default=None,
        description="Bus bandwidth of an all-reduce over its GPUs, GB/s, as far as it can be told.",
    )


class ArrayView(Answer):
    """The tasks of an array in a few lines, however many there are."""

    text: str = Field(description="As in the job file.", examples=["0-99%10"])
    tasks: int
    parallel: int | None
    counts: dict[StateName, int] = Field(description="How many tasks are in each state.")
    failed: list[int] = Field(description="Indices of the first tasks that failed.")


class TaskView(Answer):
    """One task of an array."""

    index: int
    state: StateName
    attempt: int | None = Field(description="Number of its latest attempt.")
    retries: int


class TaskList(Answer):
    """Tasks of an array by their index."""

    job_id: str
    tasks: list[TaskView]


class NoteView(Answer):
    """What somebody wrote about a job."""

    at: str
    author: str
    text: str


class NoteRequest(Request):
    """Something to write about a job."""

    text: str


class RoleView(Answer):
    """What runs beside the job's own command."""

    name: str
    nodes: int
    ranks_per_node: int
    command: list[str]


class JobView(Answer):
    """A job and everything that happened to it. Times are ISO 8601 in UTC."""

    id: str
    name: str
    team: str
    owner: str
    state: StateName
    reason: str | None = Field(description="A stable code that says why it is in this state.")
    message: str = Field(description="The same for people, with the numbers.")
    exit_code: int | None = Field(description="128 + n for an end by signal n.")
    priority: PriorityName
    command: list[str]
    image: str | None = Field(default=None, description="The image that was asked for.")
    image_digest: str | None = Field(
        default=None,
        description="The same by digest, from when an attempt first looked what a tag means.",
    )
    isolate: bool = False
    env: dict[str, str] = Field(
        description="The values are `(hidden)` for who may not see the request."
    )
    nodes: int
    nodes_max: int | None = Field(
        default=None, description="Of a job that takes what is free: the most nodes it takes."
    )
    ranks_per_node: int
    gpus_per_node: int
    cpus_per_node: int
    memory_bytes_per_node: int
    demand: str = Field(description="The shape for people, for example `2 nodes × 8 GPUs`.")
    snapshot: str | None
    pretend: bool = Field(description="Whether its devices are imaginary.")
    submitted_at: str
    started_at: str | None
    ended_at: str | None
    placement: list[GrantView] = Field(description="What it holds now; empty when nothing.")
    attempts: list[AttemptView] = Field(
        description="All of them; of an array those that live and the last that failed."
    )
    time_limit_s: float | None = None
    preemptible: bool = True
    min_runtime_s: float = 0.0
    retries: int = Field(default=0, description="How often it was tried again by itself.")
    retry_at: str | None = Field(default=None, description="Not before then, after a fault.")
    place_as_of: str | None = Field(
        default=None,
        description="By its owner's own order it has the place in the queue of a job that was "
        "submitted then; null while it has its own.",
    )
    needs: list[str] = Field(default=[], description="Jobs that must succeed first.")
    needs_unmet: list[str] = Field(default=[], description="Those that have not yet.")
    array: ArrayView | None = None
    roles: list[RoleView] = Field(
        default=[], description="Their replicas come after the job's own, in this order."
    )
    tags: dict[str, str] = {}
    notes: list[NoteView] = []
    warnings: list[str] = Field(
        default=[], description="Of a job that was just submitted: soft limits that it exceeds."
    )


class JobPage(Answer):
    """Jobs, newest first."""

    jobs: list[JobView]
    next_before: str | None = Field(
        description="Pass as `before` for the next page; null on the last one."
    )


class CancelRequest(Request):
    """Nothing to say yet; kept a body so that options can be added."""


class RequeueRequest(Request):
    """Nothing to say yet; kept a body so that options can be added."""


class ResultView(Answer):
    """One file that an attempt left under `$QD_RESULTS`."""

    path: str
    node_rank: int
    size_bytes: int
    attempt: int
    task: int | None = Field(default=None, description="Index of the array's task that left it.")


class ResultList(Answer):
    """Everything that an attempt left, or that the latest attempt of every task did."""

    job_id: str
    attempt: int = Field(description="0 for an array as a whole, and for a job without any.")
    files: list[ResultView]
    is_complete: bool = Field(
        default=True, description="False where there are more files than one answer lists."
    )
