"""Datasets of any size, reranked by the server's engine under Ray Data; needs the extra `ray`."""
