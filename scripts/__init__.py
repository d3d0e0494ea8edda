"""What people call from a checkout. A package, since another installed one has the name, too."""
