"""Stands for a training script that goes by Slurm's variables."""

import argparse
import os
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--fold", type=int, required=True)
parser.add_argument("--epoch", type=int, required=True)
parser.add_argument("--lr", type=float, default=0.1)
asked = parser.parse_args()
rank, size = int(os.environ["SLURM_PROCID"]), int(os.environ["SLURM_NTASKS"])
devices = os.environ["CUDA_VISIBLE_DEVICES"].split(",")
print(f"epoch {asked.epoch}: rank {rank} of {size}, {len(devices)} GPUs, lr {asked.lr}", flush=True)
if rank == 0:
    Path(f"fold-{asked.fold}.txt").write_text(f"fold {asked.fold} epoch {asked.epoch}\n")
