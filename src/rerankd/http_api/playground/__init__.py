"""The playground: one page at `/` on which a person tries what the service does."""
