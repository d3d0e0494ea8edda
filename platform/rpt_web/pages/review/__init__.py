"""Reviewing: label sets, queues, the reviewer's page, agreement."""
