"""The learning reranker: from feedback to a better model that serves."""
