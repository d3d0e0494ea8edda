"""Training stages: next-token prediction, format cold start, reinforcement pre-training. Each is a plain torch loop."""
