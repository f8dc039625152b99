"""Reads and checks all settings from the environment. No other module reads the environment."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from scim.protocol.limits import DEFAULT, Limits, UnknownPaths

# A process that has one of these variables runs in Azure Functions.
_AZURE: Final = ("WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME", "IDENTITY_ENDPOINT")
# Other container hosts set CONTAINER_NAME too, so it counts only together with a variable of the Functions host, and not
# under Core Tools, which sets AZURE_FUNCTIONS_ENVIRONMENT to Development.
_CONTAINER: Final = "CONTAINER_NAME"
_HOST: Final = ("FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME")

# Settings whose variables the Functions worker also reads.
_OTHERS: Final = {
    "azure_monitor": "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY",
    "opentelemetry": "PYTHON_ENABLE_OPENTELEMETRY",
}

# Variables that start with SCIM_ but aren't settings of the service.
_NO_SETTINGS: Final = frozenset({"SCIM_DOCTOR_TOKEN"})

_BASE_URL: Final = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")
_WHOLE: Final = re.compile(r"-?[0-9]{1,18}", re.ASCII)
_ON: Final = frozenset({"1", "on", "t", "true", "y", "yes"})
_OFF: Final = frozenset({"0", "off", "f", "false", "n", "no"})

# The smallest instance on Azure has 512 MB, which is enough for one request with such a body (ADR 28).
_LARGEST_BODY: Final = 10 * 1024 * 1024

type StoreName = Literal["sqlite", "cosmos"]
_STORES: Final[Mapping[str, StoreName]] = {"sqlite": "sqlite", "cosmos": "cosmos"}

type PasswordsKept = Literal["drop", "hash"]
_PASSWORDS: Final[Mapping[str, PasswordsKept]] = {"drop": "drop", "hash": "hash"}
_UNKNOWN_PATHS: Final[Mapping[str, UnknownPaths]] = {"skip": "skip", "refuse": "refuse"}


class SettingsError(Exception):
    """A setting is wrong. The text is one line with the variable and the reason, without the value."""


# Readers of values. A `ValueError` says what a value must be.


def _text(pattern: str, wrong: str) -> Callable[[str], str]:
    form = re.compile(pattern)

    def read(value: str) -> str:
        if not form.fullmatch(value):
            raise ValueError(wrong)
        return value

    return read


def _number(minimum: int, maximum: int) -> Callable[[str], int]:
    def read(value: str) -> int:
        if not _WHOLE.fullmatch(value) or not minimum <= int(value) <= maximum:
            raise ValueError(f"must be a whole number from {minimum} to {maximum}")
        return int(value)

    return read


def _base_url(value: str) -> str:
    if not _BASE_URL.fullmatch(value):
        raise ValueError("must be an absolute http or https URL without query")
    return value.rstrip("/")


def _switch(value: str) -> bool:
    if value.lower() not in _ON | _OFF:
        raise ValueError("must be true or false")
    return value.lower() in _ON


def _passwords(value: str) -> PasswordsKept:
    if value not in _PASSWORDS:
        raise ValueError("must be drop or hash")
    return _PASSWORDS[value]


def _unknown_paths(value: str) -> UnknownPaths:
    if value not in _UNKNOWN_PATHS:
        raise ValueError("must be skip or refuse")
    return _UNKNOWN_PATHS[value]


def _store(value: str) -> StoreName:
    if value not in _STORES:
        raise ValueError("must be sqlite or cosmos")
    return _STORES[value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a process, as `from_environment` reads them. `variable` returns the name of a setting's variable."""

    store: StoreName = "sqlite"
    data: Path | None = None
    """The file of the SQLite store; `None` keeps it in memory."""
    dev_token: str | None = field(default=None, repr=False)
    """A bearer token for the customer `default`. Refused on Azure."""
    dev_keys: str | None = None
    """The address of a stand-in for Entra ID's key endpoints, which it serves under `/<host>/<path>`. Refused on Azure."""
    requests_per_second: int = 100
    """The number of requests per second that each instance accepts from one customer; up to ten seconds' worth at once
    after a pause.
    """
    cosmos_endpoint: str | None = None
    """The address of the Cosmos DB account (`COSMOS_ENDPOINT`). The next three settings have variables of the same form."""
    cosmos_key: str | None = field(default=None, repr=False)
    """The key of an emulator. Without it, the service uses its own identity."""
    cosmos_database: str = "scim"
    cosmos_container: str = "resources"
    base_url: str | None = None
    """The beginning of URLs in responses, such as `https://scim.example.com/scim/v2`. Without it, they follow the
    request.
    """
    schemas: Path | None = None
    """A folder of JSON files with custom schemas and resource types."""
    me_attribute: str = "externalId"
    """The attribute of users that is compared with the claims `oid` and `sub` of a token to find the user of `/Me`."""
    passwords: PasswordsKept = "drop"
    """What to do with a `password` from a client: `drop` it, or store its Argon2id `hash`."""
    unknown_paths: UnknownPaths = DEFAULT.unknown_paths
    """What to do with a PATCH operation on an unknown attribute: `skip` it if others are valid, or `refuse` the request."""
    max_body_bytes: int = DEFAULT.body_bytes
    """The largest request body. The Functions host needs about 19 bytes of memory for each byte of a body before the
    service reads it: an instance needs 250 MB, and for each concurrent request 19 times the larger of this limit and
    the next.
    """
    max_bulk_bytes: int = DEFAULT.bulk_bytes
    """The largest body of a bulk request. At 10 MiB each request needs 200 MB of memory, at the default 41 MB."""
    max_bulk_operations: int = DEFAULT.bulk_operations
    cursor_seconds: int = DEFAULT.cursor_seconds
    max_resource_bytes: int = DEFAULT.resource_bytes
    max_filter_characters: int = DEFAULT.filter_characters
    max_filter_depth: int = DEFAULT.filter_depth
    max_filter_comparisons: int = DEFAULT.filter_comparisons
    max_patch_operations: int = DEFAULT.patch_operations
    max_members: int = DEFAULT.members
    default_page: int = DEFAULT.default_page
    max_page: int = DEFAULT.page
    max_list_bytes: int = DEFAULT.list_bytes
    azure_monitor: bool = False
    """Whether traces and metrics go to Application Insights. The worker reads the same variable."""
    opentelemetry: bool = False
    """Whether traces and metrics are exported by OTLP, as OpenTelemetry's variables say. The worker reads the same
    variable.
    """
    on_azure: bool = False
    """Whether the process runs in Azure Functions. Derived from several variables."""

    @property
    def limits(self) -> Limits:
        """The limits for requests."""
        return Limits(
            body_bytes=self.max_body_bytes,
            bulk_bytes=self.max_bulk_bytes,
            bulk_operations=self.max_bulk_operations,
            resource_bytes=self.max_resource_bytes,
            filter_characters=self.max_filter_characters,
            filter_depth=self.max_filter_depth,
            filter_comparisons=self.max_filter_comparisons,
            patch_operations=self.max_patch_operations,
            members=self.max_members,
            page=self.max_page,
            default_page=min(self.default_page, self.max_page),
            list_bytes=self.max_list_bytes,
            cursor_seconds=self.cursor_seconds,
            unknown_paths=self.unknown_paths,
        )


_READ: Final[Mapping[str, Callable[[str], object]]] = {
    "store": _store,
    "data": Path,
    "dev_token": str,
    "dev_keys": _text(r"https?://[^\s/?#]+", "must be an http or https address without a path"),
    "requests_per_second": _number(1, 100_000),
    "cosmos_endpoint": _text(r"https?://[^\s/?#]+/?", "must be the http or https address of a Cosmos DB account"),
    "cosmos_key": str,
    "cosmos_database": str,
    "cosmos_container": str,
    "base_url": _base_url,
    "schemas": Path,
    "me_attribute": str,
    "passwords": _passwords,
    "unknown_paths": _unknown_paths,
    "max_body_bytes": _number(1024, _LARGEST_BODY),
    "max_bulk_bytes": _number(1024, _LARGEST_BODY),
    "max_bulk_operations": _number(1, 10_000),
    "cursor_seconds": _number(60, 7 * 24 * 3600),
    "max_resource_bytes": _number(1024, 1024 * 1024),
    "max_filter_characters": _number(100, 100_000),
    "max_filter_depth": _number(1, 100),
    "max_filter_comparisons": _number(1, 1_000),
    "max_patch_operations": _number(1, 10_000),
    "max_members": _number(1, 100_000),
    "default_page": _number(1, 1_000),
    "max_page": _number(1, 1_000),
    "max_list_bytes": _number(64 * 1024, 64 * 1024 * 1024),
    "azure_monitor": _switch,
    "opentelemetry": _switch,
}
"""The settings that variables can set, with the function that reads the value."""


def from_environment(environ: Mapping[str, str]) -> Settings:
    """Return the settings in the environment. An empty variable counts as missing. Raises `SettingsError`."""
    values: dict[str, Any] = {}
    for name, read in _READ.items():
        if value := environ.get(variable(name)):
            try:
                values[name] = read(value)
            except ValueError as error:
                raise SettingsError(f"{variable(name)}: {error}") from None
    settings = Settings(**values, on_azure=_is_azure(environ))
    if settings.store == "cosmos" and settings.cosmos_endpoint is None:
        raise SettingsError(
            "COSMOS_ENDPOINT: must be the address of a Cosmos DB account or emulator, because SCIM_STORE=cosmos"
        )
    if settings.on_azure:
        _check_azure(settings)
    return settings


def warnings(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each variable that looks like a setting but has no effect, with the closest name and no
    value.
    """
    variables = {variable(name) for name in _READ}
    short = {
        name.removeprefix("SCIM_"): name for name in variables
    }  # with the common prefix, all names would be similar
    texts = []
    for name in sorted(name for name in environ if environ[name] and name not in variables | _NO_SETTINGS):
        is_ours = name.upper().startswith("SCIM_")
        if not is_ours and not name.upper().startswith("COSMOS"):
            continue
        import difflib  # noqa: PLC0415 - imported only if such a variable exists

        # Other programs have variables that start with COSMOS, so only a very similar name counts as a misspelling.
        cutoff = 0.6 if is_ours else 0.85
        closest = difflib.get_close_matches(name.upper().removeprefix("SCIM_"), sorted(short), n=1, cutoff=cutoff)
        if closest:
            texts.append(f"{name} is not a setting and has no effect; did you mean {short[closest[0]]}?")
        elif is_ours:
            texts.append(f"{name} is not a setting of this version and has no effect.")
    if environ.get(variable("store")) == "cosmos" and environ.get(variable("data")):
        texts.append("SCIM_DATA has no effect, because SCIM_STORE=cosmos chooses Cosmos DB.")
    return texts


def variable(field: str) -> str:
    """Return the name of the environment variable of a setting."""
    if field in _OTHERS:
        return _OTHERS[field]
    return field.upper() if field.startswith("cosmos_") else f"SCIM_{field.upper()}"


def _is_azure(environ: Mapping[str, str]) -> bool:
    if any(environ.get(name) for name in _AZURE):
        return True
    hosted = any(environ.get(name) for name in _HOST) and environ.get("AZURE_FUNCTIONS_ENVIRONMENT") != "Development"
    return bool(environ.get(_CONTAINER)) and hosted


def _check_azure(settings: Settings) -> None:
    if settings.dev_token is not None:
        raise SettingsError("SCIM_DEV_TOKEN: must not be set on Azure, where a development token is refused")
    if settings.dev_keys is not None:
        raise SettingsError("SCIM_DEV_KEYS: must not be set on Azure, where signing keys come from Entra ID")
    if settings.store == "sqlite":
        raise SettingsError(
            "SCIM_STORE: must be cosmos on Azure, where each instance would have a SQLite store of its own"
        )
    if settings.cosmos_key is not None:
        raise SettingsError("COSMOS_KEY: must not be set on Azure, where the app's managed identity opens Cosmos DB")
