"""SCIM schemas and resource types (RFC 7643 §7): JSON files read, checked and compiled. `data/` holds the shipped ones."""
