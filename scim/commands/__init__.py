"""The commands of `scim`, one module for each group or command."""
