"""`qd sim`: the scheduler on virtual time, as a question or as a test full of faults."""
