"""An experiment's results."""
