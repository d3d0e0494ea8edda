"""Sharing things of a team with another one."""
