"""Models on disk and what a pass through one costs."""
