// Alerts for operators. The queries read the log lines of requests (docs/telemetry.md) and the warnings of the service. An alert
// on a rate needs a minimum number of requests, so that a single failure at night raises no alert.

@description('Prefix in the names of the alerts.')
@minLength(2)
@maxLength(200)
param name string

@description('Region.')
param location string

@description('Tags.')
param tags object

@description('Resource id of the Application Insights component.')
param insightsId string

@description('Resource id of the Cosmos DB account.')
param cosmosId string

@description('E-mail addresses that receive alerts.')
@maxLength(20)
param emails string[]

var lines = loadTextContent('../queries/lines.kql')

// Each query ends with its condition, so it has rows only if there is a problem. `window` is the period that it covers.
var rules = [
  {
    key: 'failures'
    title: 'SCIM: more than 5% of requests fail (5xx)'
    description: 'At least 10 requests in 15 minutes, and more than 5% of them have status 500 or above, not counting 501 and 503 for an unknown signing key. The database is unreachable, or the service has a fault. Identity providers repeat the requests; if the problem lasts, their provisioning jobs go into quarantine.'
    severity: 1
    window: 'PT15M'
    frequency: 'PT5M'
    query: '${lines}| summarize requests = sum(requests), failed = sumif(requests, status >= 500 and status != 501 and reason != "kid") | where requests >= 10 and failed > 0.05 * requests'
  }
  {
    key: 'unauthorized'
    title: 'SCIM: more than 20% of requests are refused (401)'
    description: 'At least 20 requests in 30 minutes, and more than 20% of them have status 401. An identity provider uses a token that has expired or was revoked, or a client sends requests with invalid tokens.'
    severity: 2
    window: 'PT30M'
    frequency: 'PT15M'
    query: '${lines}| summarize requests = sum(requests), refused = sumif(requests, status == 401) | where requests >= 20 and refused > 0.2 * requests'
  }
  {
    key: 'throttled'
    title: 'SCIM: more than 5% of requests are throttled (429)'
    description: 'At least 20 requests in 15 minutes, and more than 5% of them have status 429. A customer exceeds SCIM_REQUESTS_PER_SECOND, or the database exceeds its throughput.'
    severity: 2
    window: 'PT15M'
    frequency: 'PT5M'
    query: '${lines}| summarize requests = sum(requests), throttled = sumif(requests, status == 429) | where requests >= 20 and throttled > 0.05 * requests'
  }
  {
    key: 'latency'
    title: 'SCIM: requests are slow'
    description: 'At least 20 requests in 15 minutes, and 5% of them take longer than 2 seconds. Bulk requests, requests with more than 20 database calls and unauthenticated requests are not counted.'
    severity: 2
    window: 'PT15M'
    frequency: 'PT5M'
    query: '${lines}| where action != "bulk" and database_calls <= 20 and reason == "" | summarize requests = count(), p95 = percentile(ms, 95) | where requests >= 20 and p95 > 2000'
  }
  {
    key: 'host'
    title: 'SCIM: the Functions host fails'
    description: 'In 15 minutes, the host recorded at least 10 more requests with status 500 or above than the service logged. The service does not start, or its process ends.'
    severity: 1
    window: 'PT15M'
    frequency: 'PT5M'
    query: 'let told = toscalar(${lines}| summarize sumif(requests, status >= 500)); requests | summarize failed = countif(toint(resultCode) >= 500) | where failed >= told + 10'
  }
  {
    key: 'tokens'
    title: 'SCIM: a secret token expires soon'
    description: 'A secret token that an identity provider uses expires within 30 days, or has expired. The query result contains the id of the token, as in the output of scim token list CUSTOMER.'
    severity: 3
    window: 'P1D'
    frequency: 'P1D'
    query: 'traces | where message startswith "secret token " | where message has "expires in" or message has "has expired" | extend token = extract("secret token ([0-9a-f-]+)", 1, message) | summarize last = max(timestamp), message = take_any(message) by token'
  }
  {
    key: 'mackey'
    title: 'SCIM: the MAC key of secret tokens is missing'
    description: 'The item MacKey:secret-tokens is not in the database, so every made-up token costs a database read. Tokens of customers still work, but a flood of made-up tokens can delay customers whose token is not in the cache. docs/security.md describes the remedy.'
    severity: 2
    window: 'PT15M'
    frequency: 'PT15M'
    query: 'traces | where message startswith "the key of secret tokens is missing" | summarize last = max(timestamp) by message'
  }
  {
    key: 'unconfigured'
    title: 'SCIM: the service is not configured'
    description: 'Every response is 503. The log gives the reason: a wrong setting, a database that can not be opened, or no customer yet.'
    severity: 1
    window: 'PT15M'
    frequency: 'PT15M'
    query: 'traces | where severityLevel >= 4 | where message startswith "wrong setting:" or message startswith "can\'t open the store:" or message startswith "there is no customer:" | summarize last = max(timestamp) by message'
  }
]

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: name
  location: 'global'
  tags: tags
  properties: {
    // The sender in the e-mails; at most 12 characters.
    groupShortName: 'scim'
    enabled: true
    emailReceivers: [for (address, i) in emails: {
      name: 'receiver-${i}'
      emailAddress: address
      useCommonAlertSchema: true
    }]
  }
}

resource queryAlerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: '${name}-${rule.key}'
  location: location
  tags: tags
  kind: 'LogAlert'
  properties: {
    displayName: rule.title
    description: rule.description
    enabled: true
    severity: rule.severity
    scopes: [insightsId]
    windowSize: rule.window
    evaluationFrequency: rule.frequency
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [people.id]
    }
  }
}]

// The service repeats throttled calls for up to 5 seconds, so most requests still succeed when throttling begins.
resource databaseThrottling 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-database-throttling'
  location: 'global'
  tags: tags
  properties: {
    description: 'SCIM: the database throttles. More than 100 calls in 15 minutes exceeded the throughput of the container, or of one customer (10,000 request units per second).'
    enabled: true
    severity: 2
    scopes: [cosmosId]
    windowSize: 'PT15M'
    evaluationFrequency: 'PT5M'
    autoMitigate: true
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          name: 'throttled'
          criterionType: 'StaticThresholdCriterion'
          metricNamespace: 'Microsoft.DocumentDB/databaseAccounts'
          metricName: 'TotalRequests'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 100
          dimensions: [
            {
              name: 'StatusCode'
              operator: 'Include'
              values: ['429']
            }
          ]
        }
      ]
    }
    actions: [
      {
        actionGroupId: people.id
      }
    ]
  }
}
