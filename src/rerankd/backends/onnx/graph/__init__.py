"""Rewrites of a graph at load: the same scores for less work, or coarser arithmetic on demand.

`preparation` says which ones there are and in which order they apply. A rewrite works on a copy of the
parsed model, finds its place by the flow of data and never by names, and raises `NotApplicableError`
where the graph has no such place. Nothing rewritten is served before it is compared with the original.
"""
