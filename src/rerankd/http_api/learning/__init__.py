"""The learning reranker over HTTP: `/reranker/*`, with the routes and field names of tribrid."""
