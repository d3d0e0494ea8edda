"""Home and the inbox: what waits for somebody, what failed, what runs, what changed."""
