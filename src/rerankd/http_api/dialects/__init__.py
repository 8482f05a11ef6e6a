"""The dialects of HTTP: how other rerankers are asked, how they answer and how they fail."""
