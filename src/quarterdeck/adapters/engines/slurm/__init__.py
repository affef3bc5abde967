"""Slurm's command line: what is asked of it, and its answers as records."""
