"""The use cases: what a SCIM request does to the store, in terms of the store interface and the protocol."""
