"""Reinforcement pre-training (arXiv 2506.08007): the research core, free of web, queue and database."""
