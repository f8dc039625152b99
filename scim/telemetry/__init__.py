"""What an operator sees of a request: one line in the log, and traces and metrics where they are asked for."""
