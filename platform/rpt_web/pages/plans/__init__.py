"""Plans that a team has saved."""
