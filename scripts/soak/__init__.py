"""The soak: a suite under faults at random ends like an undisturbed one. `python -m scripts.soak --help` says how."""
