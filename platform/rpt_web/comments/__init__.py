"""Comments: experiments, runs and responses, in threads, with names that are told."""
