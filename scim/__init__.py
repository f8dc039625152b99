"""SCIM 2.0 service provider for Azure Functions."""

__version__ = "0.1.0"
