"""The token filter: which positions of a text are worth predicting (Section 3.2)."""
