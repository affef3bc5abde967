"""The audit log's rules: what a record is, the Merkle tree over the records, signed checkpoints."""
