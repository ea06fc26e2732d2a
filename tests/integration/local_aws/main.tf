# What of the platform a local AWS API can play: buckets, repositories of images, roles, the schedule, the
# release workflow's role. test_local_aws.py lays it beside the environments.
terraform {
  required_version = ">= 1.10"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  backend "local" {}
}

# Its address comes from AWS_ENDPOINT_URL
provider "aws" {
  region                  = "eu-central-1"
  s3_use_path_style       = true
  skip_metadata_api_check = true

  default_tags {
    tags = { project = "jetl2" }
  }
}

data "aws_caller_identity" "this" {}

locals {
  prefix     = "jetl2-local"
  region     = "eu-central-1"
  account_id = data.aws_caller_identity.this.account_id
  # Kafka and EMR are not played
  application_arn = "arn:aws:emr-serverless:${local.region}:${local.account_id}:/applications/landing"
}

module "s3" {
  source = "../../modules/s3"

  prefix        = local.prefix
  download_days = 7
  public        = true
  force_destroy = true
}

module "ecr" {
  source = "../../modules/ecr"

  prefix       = local.prefix
  force_delete = true
}

module "iam" {
  source = "../../modules/iam"

  prefix                 = local.prefix
  region                 = local.region
  account_id             = local.account_id
  cluster_arn            = "arn:aws:kafka:${local.region}:${local.account_id}:cluster/${local.prefix}-kafka/uuid-1"
  bucket_arns            = module.s3.arns
  key_arn                = module.s3.key_arn
  export_application_arn = "arn:aws:emr-serverless:${local.region}:${local.account_id}:/applications/export"
  operator_arns          = ["arn:aws:iam::${local.account_id}:role/admin"]
}

module "release" {
  source = "../../modules/release"

  prefix               = local.prefix
  repository           = "example/jetl2"
  repository_arns      = module.ecr.repository_arns
  artifacts_bucket_arn = module.s3.arns.artifacts
  jobs                 = ["landing", "export"]
  key_arn              = module.s3.key_arn
}

module "scheduler" {
  source = "../../modules/scheduler"

  prefix     = local.prefix
  account_id = local.account_id

  schedules = {
    landing = {
      expression      = "rate(15 minutes)"
      application_id  = "landing"
      application_arn = local.application_arn
      job_role_arn    = module.iam.role_arns["landing"]
      log_group       = "/${local.prefix}/landing"
      timeout_minutes = 60
      run = {
        entry_point = "s3://${module.s3.names.artifacts}/landing/1.2.0/main.py"
        properties  = { "spark.archives" = "s3://${module.s3.names.artifacts}/landing/1.2.0/landing-job.tar.gz#job" }
      }
    }
  }
}
