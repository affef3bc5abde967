#!/bin/bash
#SBATCH -J two-nodes
#SBATCH -N 2 --ntasks-per-node=1
#SBATCH --gpus-per-node=8
#SBATCH -t 10

# The first node is where the processes meet.
nodes=($(scontrol show hostnames "$SLURM_JOB_NODELIST"))
export MASTER_ADDR=${nodes[0]}
export MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))
echo "${#nodes[@]} nodes, meeting at ${MASTER_ADDR}"

# torchrun on every node, as its documentation says for Slurm.
srun ${LAUNCH:-torchrun} \
    --nnodes "$SLURM_NNODES" --nproc-per-node 2 \
    --rdzv-id "$SLURM_JOB_ID" --rdzv-backend c10d \
    --rdzv-endpoint "${MASTER_ADDR}:${MASTER_PORT}" \
    all_reduce.py
