"""What runs attempts: this machine's own processes, and later other people's schedulers."""
