"""The RFCs as pure functions on plain JSON values, with the standard library only. No I/O, no clock, no randomness."""
