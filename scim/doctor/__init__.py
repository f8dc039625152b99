"""`scim doctor`: Entra's provisioning client, acted out against any SCIM endpoint. Knows nothing of the service beside it."""
