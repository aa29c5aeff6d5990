"""Use cases, one file each; `write.py` and `read.py` read as a table of contents."""
