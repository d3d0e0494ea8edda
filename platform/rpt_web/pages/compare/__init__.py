"""Runs and checkpoints compared."""
