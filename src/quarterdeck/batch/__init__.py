"""What a batch script finds inside its job, carried there: its variables, `srun`, `scontrol`."""
