"""How requests are served: their names in the log, the threads that answer them, errors, headers, static files."""
