"""What a batch script finds inside its job: its variables, `srun` and `scontrol`. Carried there
in the work folder's snapshot: standard library only, Python ≥ 3.9."""
