"""What happened, told again: cycle for cycle, or as it would have been."""
