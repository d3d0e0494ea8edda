"""A figure or a table on a page of its own, and its files."""
