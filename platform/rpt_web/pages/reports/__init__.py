"""Reports: the list, one with its parts, and the copy that a link shows without a login."""
