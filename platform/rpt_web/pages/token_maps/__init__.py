"""What a filter run found in its documents."""
