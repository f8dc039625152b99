"""The types of JSON values, as a parser returns them."""

from typing import Any

# `Any` is allowed only here: the type of a JSON value follows from its schema, and schemas are data.
type Json = Any
type JsonObject = dict[str, Json]
