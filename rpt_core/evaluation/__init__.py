"""Evaluations of a policy."""
