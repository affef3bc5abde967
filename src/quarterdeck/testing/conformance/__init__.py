"""What each port promises, as suites to subclass."""
