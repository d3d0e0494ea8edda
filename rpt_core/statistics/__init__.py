"""Intervals, paired tests, and means over seeds."""
