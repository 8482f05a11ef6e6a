"""What `rerankd bench` does: measures this host, or a server, and says what to set and to expect."""
