#!/bin/bash -l
# shellcheck disable=SC1090
# Cross-validation: every task of the array trains one fold on two GPUs.
#
#SBATCH --job-name=folds
#SBATCH --partition=gpu
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=2
#SBATCH --cpus-per-task=2
#SBATCH --gres=gpu:a100:2            # any two of a node
#SBATCH --mem-per-cpu=500M
#SBATCH --time=0-00:10:00
#SBATCH --array=0-4:2%2
#SBATCH --signal=B:USR1@60           # a minute to write the checkpoint
#SBATCH --output=logs/%x-%A_%a.out
#SBATCH --error=logs/%x-%A_%a.err
#SBATCH --mail-type=END,FAIL --mail-user=someone@example.org
#SBATCH --requeue
##SBATCH --nodelist=gpu07

set -euo pipefail
#SBATCH --nodes=99

# ---- software -----------------------------------------------------------
if command -v module > /dev/null 2>&1; then
    module purge
    module load cuda || true
fi
if [ -n "${VENV:-}" ]; then
    source "$VENV/bin/activate"
fi
command -v python3 > /dev/null || { echo "no python3 here" >&2; exit 1; }

# ---- what runs where ----------------------------------------------------
echo "job ${SLURM_ARRAY_JOB_ID}, fold ${SLURM_ARRAY_TASK_ID}" \
     "(${SLURM_ARRAY_TASK_MIN}-${SLURM_ARRAY_TASK_MAX}, ${SLURM_ARRAY_TASK_COUNT} of them)"
echo "name ${SLURM_JOB_NAME}, ${SLURM_NNODES} node, ${SLURM_NTASKS} tasks," \
     "${SLURM_CPUS_ON_NODE} CPUs, ${SLURM_GPUS_ON_NODE} GPUs," \
     "restarts ${SLURM_RESTART_COUNT:-0}"
cd "$SLURM_SUBMIT_DIR"

# ---- a warning before the end -------------------------------------------
save() {
    echo "warned: saving" >&2
    touch "checkpoint-${SLURM_ARRAY_TASK_ID}"
}
trap save USR1

# ---- train --------------------------------------------------------------
export OMP_NUM_THREADS=$SLURM_CPUS_PER_TASK
export PYTHONUNBUFFERED=1
for epoch in 1 2; do
    srun --label --kill-on-bad-exit=1 \
        python3 fold.py --fold "$SLURM_ARRAY_TASK_ID" --epoch "$epoch" "$@" &
    wait $!
done

# ---- one task looks at what the others made ------------------------------
srun --nodes=1 --ntasks=1 cat "fold-${SLURM_ARRAY_TASK_ID}.txt"
echo "fold ${SLURM_ARRAY_TASK_ID} has ended on $(date +%F)"
