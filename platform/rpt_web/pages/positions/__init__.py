"""The page of a position: what was thought there, by every run."""
