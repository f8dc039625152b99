// A stack for development. It costs almost nothing while it isn't used.
using 'main.bicep'

param tags = { environment: 'dev' }
param operators = split(readEnvironmentVariable('INFRA_OPERATORS', ''), ',')
param alertEmails = split(readEnvironmentVariable('INFRA_ALERT_EMAILS', ''), ',')
// Limits the cost of a client that sends requests in a loop.
param logGigabytesPerDay = 1
