locals {
  # Services of AWS that tell the topic something
  tellers = ["cloudwatch.amazonaws.com", "events.amazonaws.com", "budgets.amazonaws.com", "aps.amazonaws.com"]
}

# Alarms cannot use SNS' own key: its policy does not admit them
resource "aws_kms_key" "this" {
  description             = "${var.prefix}: alarms"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Account"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${var.account_id}:root" }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Tellers"
        Effect    = "Allow"
        Principal = { Service = local.tellers }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
      },
    ]
  })

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.prefix}-alarms"
  kms_master_key_id = aws_kms_key.this.arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Tellers"
      Effect    = "Allow"
      Principal = { Service = local.tellers }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "mail" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_prometheus_workspace" "this" {
  alias = var.prefix
}

# AWS' own collector: it reads the pods' metrics from the private subnets, and needs nothing in the cluster. With the
# cluster's access entries it lets itself in.
resource "aws_prometheus_scraper" "this" {
  alias                = var.prefix
  scrape_configuration = templatefile("${path.module}/scrape.yaml", { namespace = var.namespace })

  source {
    eks {
      cluster_arn        = var.cluster_arn
      subnet_ids         = var.subnet_ids
      security_group_ids = [var.cluster_security_group_id]
    }
  }

  destination {
    amp {
      workspace_arn = aws_prometheus_workspace.this.arn
    }
  }
}

resource "aws_prometheus_rule_group_namespace" "this" {
  name         = "jetl2"
  workspace_id = aws_prometheus_workspace.this.id
  data         = file("${path.module}/rules.yaml")
}

resource "aws_prometheus_alert_manager_definition" "this" {
  workspace_id = aws_prometheus_workspace.this.id

  definition = yamlencode({
    alertmanager_config = yamlencode({
      route = { receiver = "alarms", group_by = ["alertname", "exchange"], repeat_interval = "4h" }
      receivers = [{
        name        = "alarms"
        sns_configs = [{ topic_arn = aws_sns_topic.alarms.arn, sigv4 = { region = var.region } }]
      }]
    })
  })
}

# A run of landing or export that failed says so itself
resource "aws_cloudwatch_event_rule" "jobs" {
  name        = "${var.prefix}-failed-jobs"
  description = "Runs on EMR Serverless that failed"

  event_pattern = jsonencode({
    source        = ["aws.emr-serverless"]
    "detail-type" = ["EMR Serverless Job Run State Change"]
    detail        = { state = ["FAILED"], applicationId = values(var.application_ids) }
  })
}

resource "aws_cloudwatch_event_target" "jobs" {
  rule = aws_cloudwatch_event_rule.jobs.name
  arn  = aws_sns_topic.alarms.arn
}

resource "aws_cloudwatch_metric_alarm" "failed_starts" {
  alarm_name          = "${var.prefix}-failed-starts"
  alarm_description   = "Jobs could not be started by the clock: the lake falls behind."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = var.failed_queue_name }
  statistic           = "Maximum"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  period              = 300
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
}

resource "aws_budgets_budget" "this" {
  name         = "${var.prefix}-monthly"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(var.budget_usd)

  # Without it the budget counts the whole account
  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:environment$%s", var.environment)]
  }

  notification {
    comparison_operator       = "GREATER_THAN"
    notification_type         = "ACTUAL"
    threshold                 = 80
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
  }

  notification {
    comparison_operator       = "GREATER_THAN"
    notification_type         = "FORECASTED"
    threshold                 = 100
    threshold_type            = "PERCENTAGE"
    subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
  }
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = var.prefix

  dashboard_body = jsonencode({
    widgets = [
      for index, widget in [
        { title = "Into Kafka, bytes a second and broker", metric = "BytesInPerSec", stat = "Average" },
        { title = "Disk used, %", metric = "KafkaDataLogsDiskUsed", stat = "Maximum" },
        { title = "Processor, %", metric = "CpuUser", stat = "Average" },
        { title = "Partitions with too few copies", metric = "UnderMinIsrPartitionCount", stat = "Maximum" },
        ] : {
        type   = "metric"
        x      = index % 2 * 12
        y      = floor(index / 2) * 6
        width  = 12
        height = 6
        properties = {
          title  = widget.title
          region = var.region
          stat   = widget.stat
          period = 60
          metrics = [
            for broker in range(1, var.brokers + 1) :
            ["AWS/Kafka", widget.metric, "Cluster Name", "${var.prefix}-kafka", "Broker ID", tostring(broker)]
          ]
        }
      }
    ]
  })
}
