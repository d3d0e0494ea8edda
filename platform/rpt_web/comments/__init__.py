"""Comments: experiments, runs and responses, in threads; whoever is named gets a notice."""
