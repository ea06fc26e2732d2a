mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

variables {
  environment           = "test"
  prefix                = "jetl2-test"
  region                = "eu-central-1"
  zones                 = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
  exchanges             = ["one", "two"]
  partitions            = 12
  emr_release           = "emr-spark-8.0.0"
  landing_minutes       = 15
  brokers               = 3
  broker_type           = "kafka.m7g.large"
  broker_storage_gb     = 50
  broker_storage_max_gb = 200
  download_days         = 7
  job_versions          = { landing = "1.2.0", export = "2.0.0" }
  landing_jars          = ["connector.jar", "login.jar"]
  job_cpu               = 16
  node_types            = ["m7i.large"]
  nodes_per_zone        = 1
  nodes_per_zone_max    = 2
  admin_role_arns       = ["arn:aws:iam::123456789012:role/admin"]
  alarm_emails          = ["operator@example.com"]
  budget_usd            = 100
}

run "landing_logs_in_by_iam" {
  command = plan

  assert {
    condition = (
      module.emr.runs["landing"].properties["spark.emr-serverless.driverEnv.JETL2_KAFKA_LOGIN"] == "msk-iam" &&
      module.emr.runs["landing"].properties["spark.emr-serverless.driverEnv.AWS_REGION"] == var.region
    )
    error_message = "Landing's own clients do not log in to Kafka, or do not know the region that they ask for a token."
  }

  assert {
    condition     = jsondecode(module.emr.runs["landing"].properties["spark.emr-serverless.driverEnv.JETL2_LANDING_SPARK_KAFKA"])["sasl.mechanism"] == "AWS_MSK_IAM"
    error_message = "Spark's readers do not log in to Kafka."
  }

  # No properties of librdkafka: they would stand above what the login says
  assert {
    condition     = !contains(keys(module.emr.runs["landing"].properties), "spark.emr-serverless.driverEnv.JETL2_KAFKA_PROPERTIES")
    error_message = "Something else than the login says how landing's clients log in."
  }
}

run "nobody_publishes_unless_told" {
  command = plan

  assert {
    condition     = output.release_role_arn == null && length(module.release) == 0
    error_message = "Somebody may publish who was not named."
  }
}

run "the_release_workflow_publishes_when_told" {
  command = plan

  variables {
    release_repository  = "example/jetl2"
    github_provider_arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com"
  }

  assert {
    condition     = length(module.release) == 1
    error_message = "There is no role for the release workflow."
  }
}
