provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project     = "jetl2"
      environment = "prod"
    }
  }
}

module "platform" {
  source = "../../modules/platform"

  environment           = "prod"
  prefix                = var.prefix
  region                = var.region
  zones                 = var.zones
  exchanges             = var.exchanges
  partitions            = var.partitions
  brokers               = var.brokers
  broker_type           = var.broker_type
  broker_storage_gb     = var.broker_storage_gb
  broker_storage_max_gb = var.broker_storage_max_gb
  nat                   = var.nat
  download_days         = var.download_days
  force_destroy         = var.force_destroy
  emr_release           = var.emr_release
  landing_minutes       = var.landing_minutes
  job_versions          = var.job_versions
  landing_jars          = var.landing_jars
  job_cpu               = var.job_cpu
  node_types            = var.node_types
  nodes_per_zone        = var.nodes_per_zone
  nodes_per_zone_max    = var.nodes_per_zone_max
  release_repository    = var.release_repository
  github_provider_arn   = var.github_provider_arn
  admin_role_arns       = var.admin_role_arns
  admin_cidrs           = var.admin_cidrs
  alarm_emails          = var.alarm_emails
  budget_usd            = var.budget_usd
}
