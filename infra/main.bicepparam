// Parameters of azd: the defaults, unless `azd env set` sets a variable. Bicep also reads these variables from the environment.
using 'main.bicep'

param tags = { 'azd-env-name': readEnvironmentVariable('AZURE_ENV_NAME', 'scim') }
// azd sets the first variable to the object id of the signed-in identity. The second one lists further operators.
param operators = split('${readEnvironmentVariable('AZURE_PRINCIPAL_ID', '')},${readEnvironmentVariable('INFRA_OPERATORS', '')}', ',')
param operatorAddresses = json(readEnvironmentVariable('INFRA_OPERATOR_ADDRESSES', '[]'))
param alertEmails = split(readEnvironmentVariable('INFRA_ALERT_EMAILS', ''), ',')
param privateNetwork = bool(readEnvironmentVariable('INFRA_PRIVATE_NETWORK', 'false'))
param zoneRedundant = bool(readEnvironmentVariable('INFRA_ZONE_REDUNDANT', 'false'))
param capacity = readEnvironmentVariable('INFRA_CAPACITY', 'serverless')
param alwaysReadyInstances = int(readEnvironmentVariable('INFRA_ALWAYS_READY_INSTANCES', '0'))
param baseUrl = readEnvironmentVariable('INFRA_BASE_URL', '')
param schemasFolder = readEnvironmentVariable('INFRA_SCHEMAS_FOLDER', '')
