"""Finding anything by its name or address: what Ctrl+K opens."""
