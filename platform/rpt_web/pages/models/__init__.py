"""Models that runs can start from."""
