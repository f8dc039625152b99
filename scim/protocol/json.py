"""The shape of JSON values in this code: what a parser yields and what the protocol works on."""

from typing import Any

# The one place where `Any` is allowed: a JSON value is what its schema says, and the schema is data.
type Json = Any
type JsonObject = dict[str, Json]
