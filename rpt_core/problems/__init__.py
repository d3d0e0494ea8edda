"""What a policy is asked: a position or a question, put into a prompt."""
