"""Lexical terms, quantised vectors and the scoring of one scope."""
