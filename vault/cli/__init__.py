"""The command line: `memvault VERB` and `memvault NOUN VERB`."""
