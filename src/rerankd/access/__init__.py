"""Who may come in, and what they may do: keys, scopes, quotas, certificates. Both doors share it."""
