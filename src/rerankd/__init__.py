"""rerankd: reranks the candidates of a search by how well each answers the query."""

__version__ = "0.3.0"
