// What an operator is told without asking. The queries read the line of each request (docs/telemetry.md) and the warnings
// of the service; a rate needs a few requests behind it, so that one failure at night wakes nobody.

@description('What the names of the alerts begin with.')
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

@description('Who is told by e-mail.')
@maxLength(20)
param emails string[]

var lines = loadTextContent('../queries/lines.kql')

// Each query ends with the condition and so has rows only when something is wrong; `minutes` is how far it looks back.
var rules = [
  {
    key: 'failures'
    title: 'SCIM: more than 5% of requests fail (5xx)'
    description: 'At least 10 requests in 15 minutes, more than 5% of them answered 500 or above, other than 501 and other than 503 for a signing key that nobody knows: the database can not be reached, or a fault of the service. Identity providers come back, and go into quarantine when it lasts.'
    severity: 1
    window: 'PT15M'
    frequency: 'PT5M'
    query: '${lines}| summarize requests = sum(requests), failed = sumif(requests, status >= 500 and status != 501 and reason != "kid") | where requests >= 10 and failed > 0.05 * requests'
  }
  {
    key: 'unauthorized'
    title: 'SCIM: more than 20% of requests are refused (401)'
    description: 'At least 20 requests in 30 minutes, more than 20% of them refused: a token has expired or was revoked while an identity provider still uses it, or somebody guesses.'
    severity: 2
    window: 'PT30M'
    frequency: 'PT15M'
    query: '${lines}| summarize requests = sum(requests), refused = sumif(requests, status == 401) | where requests >= 20 and refused > 0.2 * requests'
  }
  {
    key: 'throttled'
    title: 'SCIM: more than 5% of requests are throttled (429)'
    description: 'At least 20 requests in 15 minutes, more than 5% of them answered 429: a customer is over SCIM_REQUESTS_PER_SECOND, or the database is over its throughput.'
    severity: 2
    window: 'PT15M'
    frequency: 'PT5M'
    query: '${lines}| summarize requests = sum(requests), throttled = sumif(requests, status == 429) | where requests >= 20 and throttled > 0.05 * requests'
  }
  {
    key: 'latency'
    title: 'SCIM: requests are slow'
    description: 'At least 20 requests in 15 minutes, one in twenty of them slower than 2 seconds. Bulk requests and large groups may take longer and are left out.'
    severity: 2
    window: 'PT15M'
    frequency: 'PT5M'
    query: '${lines}| where operation != "bulk" and database_calls <= 20 and reason == "" | summarize requests = count(), p95 = percentile(ms, 95) | where requests >= 20 and p95 > 2000'
  }
  {
    key: 'host'
    title: 'SCIM: the Functions host fails'
    description: 'In 15 minutes at least 10 requests were answered 500 or above of which the service itself knows nothing: it does not start, or its process ends.'
    severity: 1
    window: 'PT15M'
    frequency: 'PT5M'
    query: 'let told = toscalar(${lines}| summarize sumif(requests, status >= 500)); requests | summarize failed = countif(toint(resultCode) >= 500) | where failed >= told + 10'
  }
  {
    key: 'tokens'
    title: 'SCIM: a secret token expires soon'
    description: 'A secret token that an identity provider uses expires within 30 days, or has expired. The id of the token is in the result: scim token list CUSTOMER shows it.'
    severity: 3
    window: 'P1D'
    frequency: 'P1D'
    query: 'traces | where message startswith "secret token " | where message has "expires in" or message has "has expired" | extend token = extract("secret token ([0-9a-f-]+)", 1, message) | summarize last = max(timestamp), message = take_any(message) by token'
  }
  {
    key: 'mackey'
    title: 'SCIM: the key of secret tokens is missing'
    description: 'The item MacKey:secret-tokens is not in the database, so that every token that somebody makes up is looked up there. Customers come in, but a flood of such tokens can delay those whose token was idle. docs/security.md says what to do.'
    severity: 2
    window: 'PT15M'
    frequency: 'PT15M'
    query: 'traces | where message startswith "the key of secret tokens is missing" | summarize last = max(timestamp) by message'
  }
  {
    key: 'unconfigured'
    title: 'SCIM: the service is not configured'
    description: 'The service answers 503 to everything and its log says why: a wrong setting, a database that can not be opened, or no customer yet.'
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
    // At most twelve characters: it is what an e-mail says who it is from.
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

// The service waits a throttled call out for up to 5 seconds, so requests succeed long after this has begun.
resource databaseThrottling 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: '${name}-database-throttling'
  location: 'global'
  tags: tags
  properties: {
    description: 'SCIM: the database throttles. More than 100 calls in 15 minutes were over the throughput of the container, or of one customer (10,000 request units per second).'
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
