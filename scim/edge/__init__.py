"""Where bytes and headers become SCIM requests and errors become responses."""
