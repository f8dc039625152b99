// A stack to try things on: costs next to nothing while nobody uses it.
using 'main.bicep'

param tags = { environment: 'dev' }
param operators = split(readEnvironmentVariable('INFRA_OPERATORS', ''), ',')
param alertEmails = split(readEnvironmentVariable('INFRA_ALERT_EMAILS', ''), ',')
// A loop in somebody's script fills no more than this.
param logGigabytesPerDay = 1
