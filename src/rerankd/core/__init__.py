"""Reranking itself. Knows no transport, no model runtime and no generated code."""
