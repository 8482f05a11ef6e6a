"""The core's types and the messages of `rerankd.v1`: what both doors say, whatever carries it."""
