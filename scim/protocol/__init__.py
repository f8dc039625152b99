"""The RFCs as pure functions on plain JSON values: the standard library and nothing else."""
