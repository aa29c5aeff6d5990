"""G1 and G9: canaries through every public method; then nothing of them is in any file, page, log line or error."""
