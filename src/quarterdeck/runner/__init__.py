"""What stands beside each replica of a job: standard library only, and apart from the house."""
