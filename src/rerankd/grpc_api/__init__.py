"""The gRPC door: parses messages, calls the engine, renders its answers and errors."""
