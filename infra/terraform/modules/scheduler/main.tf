resource "aws_scheduler_schedule_group" "this" {
  name = var.prefix
}

# Starts that EMR refused again and again; an alarm looks at its length
resource "aws_sqs_queue" "failed" {
  name                      = "${var.prefix}-failed-starts"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_iam_role" "this" {
  name        = "${var.prefix}-scheduler"
  description = "Starts the jobs by the clock"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  name = "start"
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["emr-serverless:StartJobRun"]
        Resource = distinct([for schedule in values(var.schedules) : schedule.application_arn])
      },
      {
        Effect    = "Allow"
        Action    = ["iam:PassRole"]
        Resource  = distinct([for schedule in values(var.schedules) : schedule.job_role_arn])
        Condition = { StringEquals = { "iam:PassedToService" = "emr-serverless.amazonaws.com" } }
      },
      {
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [aws_sqs_queue.failed.arn]
      },
    ]
  })
}

resource "aws_scheduler_schedule" "this" {
  for_each = var.schedules

  name                         = "${var.prefix}-${each.key}"
  group_name                   = aws_scheduler_schedule_group.this.name
  description                  = "Starts ${each.key}"
  schedule_expression          = each.value.expression
  schedule_expression_timezone = "UTC"
  state                        = each.value.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = "arn:aws:scheduler:::aws-sdk:emrserverless:startJobRun"
    role_arn = aws_iam_role.this.arn

    input = replace(jsonencode({
      ApplicationId = each.value.application_id
      # A repeated start of the same tick is the same job. Terraform would write < and > as escapes
      ClientToken             = "EXECUTION-ID"
      ExecutionRoleArn        = each.value.job_role_arn
      ExecutionTimeoutMinutes = each.value.timeout_minutes
      Name                    = "${var.prefix}-${each.key}"
      JobDriver = {
        SparkSubmit = { EntryPoint = each.value.run.entry_point, EntryPointArguments = each.value.arguments }
      }
      ConfigurationOverrides = {
        ApplicationConfiguration = [{ Classification = "spark-defaults", Properties = each.value.run.properties }]
        MonitoringConfiguration = {
          CloudWatchLoggingConfiguration = { Enabled = true, LogGroupName = each.value.log_group }
        }
      }
    }), "EXECUTION-ID", "<aws.scheduler.execution-id>")

    retry_policy {
      maximum_retry_attempts       = 5
      maximum_event_age_in_seconds = 600
    }

    dead_letter_config {
      arn = aws_sqs_queue.failed.arn
    }
  }
}
