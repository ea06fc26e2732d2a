mock_provider "aws" {
  mock_resource "aws_prometheus_workspace" {
    defaults = { arn = "arn:aws:aps:eu-central-1:123456789012:workspace/ws-1" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:jetl2-test-alarms" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }
}

variables {
  prefix            = "jetl2-test"
  environment       = "test"
  region            = "eu-central-1"
  account_id        = "123456789012"
  alarm_emails      = ["operator@example.com"]
  budget_usd        = 500
  brokers           = 3
  application_ids   = { landing = "app-1", export = "app-2" }
  failed_queue_name = "jetl2-test-failed-starts"
  cluster_arn       = "arn:aws:eks:eu-central-1:123456789012:cluster/jetl2-test"
  subnet_ids        = ["subnet-a", "subnet-b", "subnet-c"]
  namespace         = "jetl2"

  cluster_security_group_id = "sg-cluster"
}

run "alarms_are_heard" {
  command = apply

  assert {
    condition     = aws_sns_topic.alarms.kms_master_key_id == aws_kms_key.this.arn && strcontains(aws_kms_key.this.policy, "cloudwatch.amazonaws.com") && strcontains(aws_sns_topic_policy.alarms.policy, "budgets.amazonaws.com")
    error_message = "The topic is not encrypted by our key, or those who tell it may not."
  }

  assert {
    condition     = [for subscription in aws_sns_topic_subscription.mail : subscription.endpoint] == ["operator@example.com"]
    error_message = "Nobody hears the alarms."
  }

  assert {
    condition     = aws_budgets_budget.this.limit_amount == "500" && length(aws_budgets_budget.this.notification) == 2 && one(aws_budgets_budget.this.cost_filter).values == tolist(["user:environment$test"])
    error_message = "The budget does not count this environment, or tells nobody."
  }

  assert {
    condition     = jsondecode(aws_cloudwatch_event_rule.jobs.event_pattern).detail.applicationId == ["app-2", "app-1"]
    error_message = "Failed runs of a job are not heard of."
  }

  assert {
    condition = alltrue([
      for rule in yamldecode(aws_prometheus_rule_group_namespace.this.data).groups[0].rules :
      contains(["page", "ticket"], rule.labels.severity) && length(rule.annotations.summary) > 0
    ])
    error_message = "An alert does not say how urgent it is, or what it means."
  }

  assert {
    condition = (
      aws_prometheus_scraper.this.destination[0].amp[0].workspace_arn == aws_prometheus_workspace.this.arn &&
      aws_prometheus_scraper.this.source[0].eks[0].security_group_ids == toset(["sg-cluster"]) &&
      length(aws_prometheus_scraper.this.source[0].eks[0].subnet_ids) == 3 &&
      yamldecode(aws_prometheus_scraper.this.scrape_configuration).scrape_configs[0].kubernetes_sd_configs[0].namespaces.names == ["jetl2"]
    )
    error_message = "Nothing collects the services' metrics into the workspace that alerts ask."
  }

  assert {
    condition     = length(jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets[0].properties.metrics) == 3
    error_message = "The dashboard leaves a broker out."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix       = "JetL2"
    region       = "Frankfurt"
    account_id   = "me"
    alarm_emails = []
    budget_usd   = 0
    brokers      = 0
    subnet_ids   = ["subnet-a"]
  }

  expect_failures = [
    var.prefix, var.region, var.account_id, var.alarm_emails, var.budget_usd, var.brokers, var.subnet_ids,
  ]
}
