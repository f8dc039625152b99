"""Authentication: turns the bearer token of a request into a principal."""
