"""Searches in what the policy wrote."""
