"""Reference pages of docs/, each printed from a table, a contract or a tree of commands in code."""
