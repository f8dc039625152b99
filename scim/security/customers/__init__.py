"""Customers and their credentials: the records, the repository that stores them, and a cache for requests."""
