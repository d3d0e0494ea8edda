"""Who samples responses and scores texts: our own loop over transformers, or vLLM."""
