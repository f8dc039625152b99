"""Every setting, from the environment, checked once. Nothing else reads the environment."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError

from scim.protocol.limits import DEFAULT, Limits

# Any of these says that the process runs in Azure Functions.
_AZURE: Final = ("WEBSITE_INSTANCE_ID", "WEBSITE_SITE_NAME", "WEBSITE_POD_NAME", "IDENTITY_ENDPOINT")
# Other container hosts set CONTAINER_NAME too, so it counts only beside one of the Functions host's own variables; and not
# under Core Tools, which says that it is for development.
_CONTAINER: Final = "CONTAINER_NAME"
_HOST: Final = ("FUNCTIONS_EXTENSION_VERSION", "FUNCTIONS_WORKER_RUNTIME")

_BASE_URL: Final = re.compile(r"https?://[^\s/?#]+(/[^\s?#]*)?")


class SettingsError(Exception):
    """A setting is wrong; the text is one line that says which and why, without its value."""


def _endpoint(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+/?", value):
        raise ValueError("must be the http or https address of a Cosmos DB account")
    return value


def _origin(value: str) -> str:
    if not re.fullmatch(r"https?://[^\s/?#]+", value):
        raise ValueError("must be an http or https address without a path")
    return value


def _base_url(value: str) -> str:
    if not _BASE_URL.fullmatch(value):
        raise ValueError("must be an absolute http or https URL without query")
    return value.rstrip("/")


class Settings(BaseModel):
    """The settings of a process; `variable` says what each is called in the environment."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    store: Literal["sqlite", "cosmos"] = "sqlite"
    data: Path | None = None
    """The file of the embedded store; none: in memory."""
    dev_token: SecretStr | None = None
    """A bearer token that lets in the tenant `default`; refused on Azure."""
    dev_keys: Annotated[str, AfterValidator(_origin)] | None = None
    """Where a stand-in for Entra ID's key endpoints listens: below it, `/<host>/<path>` of each; refused on Azure."""
    requests_per_second: int = Field(100, ge=1, le=100_000)
    """How many requests of one tenant each instance answers; ten times as many at once after a pause."""
    cosmos_endpoint: Annotated[str, AfterValidator(_endpoint)] | None = None
    """The address of the Cosmos DB account; from `COSMOS_ENDPOINT`, as the other three from variables of that form."""
    cosmos_key: SecretStr | None = None
    """The key of an emulator; without it the process's own identity is used."""
    cosmos_database: str = "scim"
    cosmos_container: str = "resources"
    base_url: Annotated[str, AfterValidator(_base_url)] | None = None
    """The address in answers, such as `https://scim.example.com/scim/v2`; none: the one that the client used."""
    max_body_bytes: int = Field(DEFAULT.body_bytes, ge=1024, le=100 * 1024 * 1024)
    max_resource_bytes: int = Field(DEFAULT.resource_bytes, ge=1024, le=1024 * 1024)
    max_filter_characters: int = Field(DEFAULT.filter_characters, ge=100, le=100_000)
    max_filter_depth: int = Field(DEFAULT.filter_depth, ge=1, le=100)
    max_patch_operations: int = Field(DEFAULT.patch_operations, ge=1, le=10_000)
    max_members: int = Field(DEFAULT.members, ge=1, le=100_000)
    default_page: int = Field(DEFAULT.default_page, ge=1, le=1_000)
    max_page: int = Field(DEFAULT.page, ge=1, le=1_000)
    on_azure: bool = False
    """Whether this is Azure Functions itself. No variable says it; several together do."""

    @property
    def limits(self) -> Limits:
        """The limits that requests are held to."""
        return Limits(
            body_bytes=self.max_body_bytes,
            resource_bytes=self.max_resource_bytes,
            filter_characters=self.max_filter_characters,
            filter_depth=self.max_filter_depth,
            patch_operations=self.max_patch_operations,
            members=self.max_members,
            page=self.max_page,
            default_page=min(self.default_page, self.max_page),
        )


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings of the environment; an empty variable counts as missing. Raises `SettingsError`."""
    fields = Settings.model_fields.keys() - {"on_azure"}
    given: dict[str, object] = {field: environ[name] for field in fields if environ.get(name := variable(field))}
    given["on_azure"] = _is_azure(environ)
    try:
        settings = Settings.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsError(f"{variable(str(first['loc'][0]))}: {first['msg']}") from None
    if settings.store == "cosmos" and settings.cosmos_endpoint is None:
        raise SettingsError("COSMOS_ENDPOINT: SCIM_STORE=cosmos needs the address of a Cosmos DB account")
    if settings.on_azure:
        _check_azure(settings)
    return settings


def variable(field: str) -> str:
    """The environment's name of a setting."""
    return field.upper() if field.startswith("cosmos_") else f"SCIM_{field.upper()}"


def _is_azure(environ: Mapping[str, str]) -> bool:
    if any(environ.get(name) for name in _AZURE):
        return True
    hosted = any(environ.get(name) for name in _HOST) and environ.get("AZURE_FUNCTIONS_ENVIRONMENT") != "Development"
    return bool(environ.get(_CONTAINER)) and hosted


def _check_azure(settings: Settings) -> None:
    if settings.dev_token is not None:
        raise SettingsError("SCIM_DEV_TOKEN: a development token is refused on Azure")
    if settings.dev_keys is not None:
        raise SettingsError("SCIM_DEV_KEYS: on Azure the keys of tokens come from Entra ID itself")
    if settings.store == "sqlite":
        raise SettingsError("SCIM_STORE: on Azure every instance would have an embedded store of its own")
    if settings.cosmos_key is not None:
        raise SettingsError("COSMOS_KEY: on Azure the app's own identity opens Cosmos DB; a key is for an emulator")
