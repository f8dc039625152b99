"""Access tokens of Microsoft Entra ID: verifies them and finds the customer that they belong to."""
