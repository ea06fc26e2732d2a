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

  # The API starts exports by the same; tests/integration/test_emr_agreement.py reads the file too
  assert {
    condition     = jsonencode(output.runs) == jsonencode(jsondecode(file("tests/runs.json")))
    error_message = "The jobs are not started with their release's main.py, PEX, jars and settings."
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
