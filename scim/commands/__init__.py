"""The commands of `scim`, one file for each subject."""
