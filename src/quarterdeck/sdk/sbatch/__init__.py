"""Scripts with `#SBATCH` lines as jobs of ours, unmodified."""
