mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/scheduler" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:123456789012:failed" }
  }
}

variables {
  prefix     = "jetl2-test"
  account_id = "123456789012"
  schedules = {
    landing = {
      expression      = "rate(15 minutes)"
      application_id  = "app1"
      application_arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/app1"
      job_role_arn    = "arn:aws:iam::123456789012:role/landing"
      log_group       = "/jetl2-test/landing"
      timeout_minutes = 60
      run             = { entry_point = "s3://artifacts/landing/1.2.0/main.py", properties = { a = "b" } }
    }
    compaction = {
      expression      = "cron(30 2 * * ? *)"
      application_id  = "app1"
      application_arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/app1"
      job_role_arn    = "arn:aws:iam::123456789012:role/compaction"
      log_group       = "/jetl2-test/landing"
      timeout_minutes = 120
      enabled         = false
      arguments       = ["compact"]
      run             = { entry_point = "s3://artifacts/landing/1.2.0/main.py", properties = { a = "b" } }
    }
  }
}

run "a_tick_is_one_job" {
  command = apply

  assert {
    condition     = jsondecode(aws_scheduler_schedule.this["landing"].target[0].input).ClientToken == "<aws.scheduler.execution-id>" && strcontains(aws_scheduler_schedule.this["landing"].target[0].input, "<aws.scheduler.execution-id>")
    error_message = "The scheduler does not put the tick's id into the token."
  }

  # What the API would ask for; tests/integration/test_emr_agreement.py reads the file too
  assert {
    condition     = jsonencode(jsondecode(aws_scheduler_schedule.this["landing"].target[0].input)) == jsonencode(jsondecode(file("tests/landing.json")))
    error_message = "Landing is not started as the API starts exports."
  }

  assert {
    condition     = jsondecode(aws_scheduler_schedule.this["compaction"].target[0].input).ConfigurationOverrides.ApplicationConfiguration[0].Properties == { a = "b" } && jsondecode(aws_scheduler_schedule.this["compaction"].target[0].input).JobDriver.SparkSubmit.EntryPointArguments == ["compact"] && aws_scheduler_schedule.this["compaction"].state == "DISABLED" && aws_scheduler_schedule.this["landing"].state == "ENABLED"
    error_message = "A schedule starts another job, or is on when it should be off."
  }

  assert {
    condition     = alltrue([for schedule in aws_scheduler_schedule.this : schedule.schedule_expression_timezone == "UTC" && schedule.target[0].dead_letter_config[0].arn == aws_sqs_queue.failed.arn])
    error_message = "A schedule runs by another clock, or its failed starts are lost."
  }

  assert {
    condition = flatten([for statement in jsondecode(aws_iam_role_policy.this.policy).Statement : statement.Action]) == [
      "emr-serverless:StartJobRun", "iam:PassRole", "sqs:SendMessage"
      ] && jsondecode(aws_iam_role_policy.this.policy).Statement[1].Resource == [
      "arn:aws:iam::123456789012:role/compaction", "arn:aws:iam::123456789012:role/landing"
    ]
    error_message = "The scheduler may do more than start the jobs as themselves."
  }

  assert {
    condition     = aws_sqs_queue.failed.sqs_managed_sse_enabled
    error_message = "The queue is not encrypted."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix     = "JetL2"
    account_id = "me"
    schedules = {
      landing = {
        expression      = "every now and then"
        application_id  = "app1"
        application_arn = "arn"
        job_role_arn    = "arn"
        log_group       = "/jetl2-test/landing"
        timeout_minutes = 60
        run             = { entry_point = "s3://artifacts/landing/1.2.0/main.py", properties = { a = "b" } }
      }
    }
  }

  expect_failures = [var.prefix, var.account_id, var.schedules]
}
