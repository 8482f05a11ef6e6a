"""The HTTP door: the dialects of other rerankers, the service's own, health and metrics."""
