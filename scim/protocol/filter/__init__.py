"""SCIM filters (RFC 7644 §3.4.2.2): `syntax` parses them, `binding` resolves names, `evaluate` is the reference evaluator."""
