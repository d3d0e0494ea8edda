"""A run's folder and its contract: files, events, tables, rollouts, what a stage is given."""
