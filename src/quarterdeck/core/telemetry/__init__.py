"""What jobs say of themselves while they run: progress and values, made into curves."""
