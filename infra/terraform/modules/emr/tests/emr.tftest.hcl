mock_provider "aws" {}

variables {
  prefix                  = "jetl2-test"
  vpc_id                  = "vpc-1"
  subnet_ids              = ["subnet-1", "subnet-2", "subnet-3"]
  kafka_security_group_id = "sg-1"
  artifacts_bucket        = "jetl2-test-artifacts"
  jobs = {
    landing = { version = "1.2.0", jars = ["a.jar", "b.jar"], environment = { JETL2_LANDING_LAKE = "s3://lake" } }
    export  = { version = "2.0.0", cpu = 8, memory_gb = 32 }
  }
}

run "bounded_private_and_off_when_idle" {
  command = plan

  assert {
    condition     = [for application in aws_emrserverless_application.this : application.name] == ["jetl2-test-export", "jetl2-test-landing"]
    error_message = "The applications are not named after environment and job."
  }

  assert {
    condition = alltrue([
      for application in aws_emrserverless_application.this :
      application.release_label == "emr-spark-8.0.0" && application.auto_stop_configuration[0].enabled &&
      length(application.network_configuration[0].subnet_ids) == 3
    ])
    error_message = "An application has another release, does not stop, or is outside the network."
  }

  assert {
    condition     = aws_emrserverless_application.this["export"].maximum_capacity[0].cpu == "8 vCPU" && aws_emrserverless_application.this["landing"].maximum_capacity[0].memory == "128 GB"
    error_message = "The bound of a job is not what was told."
  }

  assert {
    condition = output.runs["landing"].properties == {
      "spark.archives"                                       = "s3://jetl2-test-artifacts/landing/1.2.0/landing-job.tar#job"
      "spark.jars"                                           = "s3://jetl2-test-artifacts/landing/1.2.0/jars/a.jar,s3://jetl2-test-artifacts/landing/1.2.0/jars/b.jar"
      "spark.executorEnv.PYSPARK_PYTHON"                     = "./job/landing.pex"
      "spark.emr-serverless.driverEnv.PYSPARK_PYTHON"        = "./job/landing.pex"
      "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON" = "./job/landing.pex"
      "spark.emr-serverless.driverEnv.JETL2_LANDING_LAKE"    = "s3://lake"
    }
    error_message = "The job is not started with its PEX, jars and settings."
  }

  assert {
    condition     = output.runs["export"].entry_point == "s3://jetl2-test-artifacts/export/2.0.0/main.py"
    error_message = "The job does not begin with the release's main.py."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix        = "JetL2"
    release_label = "emr-6.15.0"
    subnet_ids    = ["subnet-1"]
    jobs          = { landing = { version = "latest" } }
    idle_minutes  = 0
  }

  expect_failures = [var.prefix, var.release_label, var.subnet_ids, var.jobs, var.idle_minutes]
}
