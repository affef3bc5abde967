"""What we ship to those who test with the house: builders, and suites that adapters must pass."""
