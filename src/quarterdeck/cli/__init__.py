"""The command line: verbs and their output, on the SDK alone."""
