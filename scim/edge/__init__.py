"""The edge: turns bytes and headers into SCIM requests, and results and errors into responses."""
