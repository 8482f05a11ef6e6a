"""What an operator sees of the server: logs, and later traces."""
