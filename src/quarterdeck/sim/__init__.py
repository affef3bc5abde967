"""The simulator: real control plane and agent on virtual time, in a world full of faults."""
