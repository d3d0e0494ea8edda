"""Prompt templates and pattern lists."""
