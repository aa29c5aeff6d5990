"""Records: one tenant's memories, revisions, tokens and log, sealed row by row."""
