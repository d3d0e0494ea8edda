"""New run, new suite."""
