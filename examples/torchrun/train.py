"""Data-parallel training with PyTorch: gloo on CPUs, NCCL on GPUs.

Every step looks at one batch of the data; rank r of n takes every n-th sample of it, from the
r-th on. DDP averages the gradients, so n ranks take the very steps that one process takes on the
whole batch: check.py holds the two against each other. `--no-sync` leaves the averaging out, and
then they differ.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

SAMPLES = 2048
FEATURES = 16
BATCH = 128


def make_data() -> tuple[torch.Tensor, torch.Tensor]:
    """The same data for everybody: noisy waves of a weighted sum."""
    random = torch.Generator().manual_seed(7)
    x = torch.randn(SAMPLES, FEATURES, generator=random, dtype=torch.float64)
    weights = torch.randn(FEATURES, 1, generator=random, dtype=torch.float64)
    noise = torch.randn(SAMPLES, 1, generator=random, dtype=torch.float64)
    return x, torch.sin(x @ weights / FEATURES**0.5) + 0.05 * noise


def make_model() -> torch.nn.Module:
    """The same first weights for everybody."""
    torch.manual_seed(11)
    layers = (torch.nn.Linear(FEATURES, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1))
    return torch.nn.Sequential(*layers).double()


def order_of(epoch: int) -> torch.Tensor:
    """In which order an epoch goes through the data."""
    return torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(epoch))


def train(
    epochs: int, rank: int, world_size: int, device: torch.device, *, sync: bool
) -> tuple[list[float], list[int]]:
    """The loss on all data after each epoch, and the samples that this rank has seen."""
    x, y = (part.to(device) for part in make_data())
    plain = make_model().to(device)
    model = DistributedDataParallel(plain) if sync and world_size > 1 else plain
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    losses: list[float] = []
    seen: set[int] = set()
    for epoch in range(epochs):
        for batch in order_of(epoch).split(BATCH):
            own = batch[rank::world_size]
            if epoch == 0:
                seen.update(own.tolist())
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(model(x[own]), y[own]).backward()
            optimizer.step()
        with torch.no_grad():
            losses.append(float(torch.nn.functional.mse_loss(plain(x), y)))
        if rank == 0:
            report(epoch, epochs, losses[-1])
    return losses, sorted(seen)


def report(epoch: int, epochs: int, loss: float) -> None:
    """To the log, and to `qd top` and `qd metrics` where this runs as a job."""
    print(f"epoch {epoch + 1}: loss {loss:.6f}", flush=True)
    try:
        from quarterdeck import job
    except ImportError:
        return
    job.progress(epoch + 1, epochs)
    job.log(step=epoch + 1, loss=loss)


def main() -> None:
    """Train with as many ranks as there are."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--no-sync", dest="sync", action="store_false")
    options = parser.parse_args()
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    torch.set_num_threads(1)
    if world_size > 1:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    losses, seen = train(options.epochs, rank, world_size, device, sync=options.sync)
    results = Path(os.environ.get("QD_RESULTS", "."))
    told = {"rank": rank, "world_size": world_size, "losses": losses, "seen": seen}
    (results / f"rank-{rank}.json").write_text(json.dumps(told))
    if world_size > 1:
        leave()


def leave() -> None:
    """End all ranks together, without Python's own end.

    DDP keeps the process group alive beyond its destruction, so gloo's threads still run when
    Python takes itself down, and now and then one of them aborts a rank that has done all its
    work (https://github.com/pytorch/pytorch/issues/190489).
    """
    dist.barrier()
    dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
