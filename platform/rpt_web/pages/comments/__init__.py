"""Comments: threads below what they are about."""
