"""The log: its catalogue of events, entries, Merkle tree, checkpoints and stand-alone verifier."""
