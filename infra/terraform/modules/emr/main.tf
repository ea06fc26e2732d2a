locals {
  # Where a release puts what a job runs with, and how EMR is told
  jobs = {
    for name, job in var.jobs : name => merge(job, {
      folder = "s3://${var.artifacts_bucket}/${name}/${job.version}"
    })
  }

  # Drivers and executors both start the PEX as their Python; from a plain .tar Spark would unpack it
  # without the right to be executed
  python = {
    for name, job in local.jobs : name => {
      "spark.archives"                                       = "${job.folder}/${name}-job.tar.gz#job"
      "spark.emr-serverless.driverEnv.PYSPARK_PYTHON"        = "./job/${name}.pex"
      "spark.executorEnv.PYSPARK_PYTHON"                     = "./job/${name}.pex"
      "spark.emr-serverless.driverEnv.PYSPARK_DRIVER_PYTHON" = "./job/${name}.pex"
    }
  }

  jars = {
    for name, job in local.jobs : name =>
    length(job.jars) == 0 ? {} : { "spark.jars" = join(",", [for jar in job.jars : "${job.folder}/jars/${jar}"]) }
  }

  environment = {
    for name, job in local.jobs : name => {
      for key, value in job.environment : "spark.emr-serverless.driverEnv.${key}" => value
    }
  }

  conf = { for name in keys(local.jobs) : name => merge(local.python[name], local.jars[name], local.environment[name]) }
}

resource "aws_security_group" "this" {
  name        = "${var.prefix}-emr"
  description = "Spark jobs: out to Kafka, S3 and AWS, nothing in from elsewhere"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.this.id
  description       = "S3 and the AWS APIs"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_egress_rule" "kafka" {
  security_group_id            = aws_security_group.this.id
  description                  = "Kafka with IAM"
  referenced_security_group_id = var.kafka_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 9098
  to_port                      = 9098
}

# Driver and executors speak to each other
resource "aws_vpc_security_group_ingress_rule" "workers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Workers of a job among themselves"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "-1"
}

resource "aws_vpc_security_group_egress_rule" "workers" {
  security_group_id            = aws_security_group.this.id
  description                  = "Workers of a job among themselves"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "-1"
}

resource "aws_emrserverless_application" "this" {
  for_each = local.jobs

  name          = "${var.prefix}-${each.key}"
  release_label = var.release_label
  type          = "spark"
  architecture  = "X86_64"

  # The bound of what a job can cost in an hour
  maximum_capacity {
    cpu    = "${each.value.cpu} vCPU"
    memory = "${each.value.memory_gb} GB"
    disk   = "${each.value.disk_gb} GB"
  }

  auto_start_configuration {
    enabled = true
  }

  auto_stop_configuration {
    enabled              = true
    idle_timeout_minutes = var.idle_minutes
  }

  network_configuration {
    subnet_ids         = var.subnet_ids
    security_group_ids = [aws_security_group.this.id]
  }
}

resource "aws_cloudwatch_log_group" "this" {
  for_each = local.jobs

  name              = "/${var.prefix}/${each.key}"
  retention_in_days = 30
}
