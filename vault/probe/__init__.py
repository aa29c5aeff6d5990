"""The independent search for what an erasure may have left: reads files itself, with nothing of the stores' code."""
