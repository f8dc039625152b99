"""`scim doctor`: simulates Entra's provisioning client against any SCIM endpoint. Does not import the service."""
