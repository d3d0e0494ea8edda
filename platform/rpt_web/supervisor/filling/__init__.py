"""`manage.py fill`: a platform as full as after years of work, for trials and measurements.

Experiments have the runs of the preset `tiny` with their real configs, but none of them ever ran: rows are made up and
copied into the tables, the same for the same amounts. Of each run that sampled, the newest shard lies on disk too.
"""
