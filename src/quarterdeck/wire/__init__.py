"""What travels over HTTP, one folder per version, and nothing else."""
