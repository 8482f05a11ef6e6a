"""Changing how requests are reranked while the server runs."""
