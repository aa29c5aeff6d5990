"""Text to vectors: the Embedder protocol and the bundled static embedder."""
