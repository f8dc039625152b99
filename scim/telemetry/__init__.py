"""What operators see of requests: a log line for each, and traces and metrics if they are switched on."""
