"""What a request costs: beside another SCIM server in the same run, and as a store grows. Nothing here is asserted."""
