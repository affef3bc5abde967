"""What a job is, which steps it may take, and what its history says."""
