"""The embedded default: a corpus of worked mathematics, imperfect reasoning traces, and probes of a model's skills.

Small enough that reinforcement pre-training runs on two CPU cores in minutes; docs/tiny.md says what that shows.
"""
