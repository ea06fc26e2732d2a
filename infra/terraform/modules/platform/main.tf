data "aws_caller_identity" "this" {}

locals {
  account_id    = data.aws_caller_identity.this.account_id
  topics_file   = "${path.module}/../../topics.yaml"
  merger_group  = "jetl2.merger"
  landing_group = "jetl2.landing"

  # Rows are held by Python, a Spark task each, beside a JVM that does next to nothing
  compaction_memory = {
    "spark.executor.cores"          = "4"
    "spark.executor.memory"         = "4g"
    "spark.executor.memoryOverhead" = "10g"
  }
}

module "network" {
  source = "../network"

  prefix = var.prefix
  region = var.region
  zones  = var.zones
  cidr   = var.cidr
  nat    = var.nat
}

module "s3" {
  source = "../s3"

  prefix        = var.prefix
  download_days = var.download_days
  public        = var.public_bucket
  force_destroy = var.force_destroy
}

module "ecr" {
  source = "../ecr"

  prefix       = var.prefix
  force_delete = var.force_destroy
}

module "msk" {
  source = "../msk"

  prefix           = var.prefix
  vpc_id           = module.network.vpc_id
  subnet_ids       = module.network.private_subnet_ids
  client_cidr      = var.cidr
  topics_file      = local.topics_file
  exchanges        = var.exchanges
  partitions       = var.partitions
  instance_type    = var.broker_type
  brokers          = var.brokers
  storage_gb       = var.broker_storage_gb
  storage_max_gb   = var.broker_storage_max_gb
  alarm_topic_arns = [module.observability.alarm_topic_arn]
}

module "emr" {
  source = "../emr"

  prefix                  = var.prefix
  release_label           = var.emr_release
  vpc_id                  = module.network.vpc_id
  subnet_ids              = module.network.private_subnet_ids
  kafka_security_group_id = module.msk.security_group_id
  artifacts_bucket        = module.s3.names.artifacts

  jobs = {
    landing = {
      version   = var.job_versions.landing
      jars      = var.landing_jars
      cpu       = var.job_cpu
      memory_gb = 4 * var.job_cpu
      environment = {
        JETL2_LANDING_BOOTSTRAP_SERVERS = module.msk.bootstrap_servers
        JETL2_LANDING_LAKE              = "s3://${module.s3.names.lake}"
        JETL2_LANDING_GROUP             = local.landing_group
        # Login of the driver's own clients, who ask for the region, and of Spark's, which are Java's
        AWS_REGION        = var.region
        JETL2_KAFKA_LOGIN = "msk-iam"
        JETL2_LANDING_SPARK_KAFKA = jsonencode({
          "security.protocol"                  = "SASL_SSL"
          "sasl.mechanism"                     = "AWS_MSK_IAM"
          "sasl.jaas.config"                   = "software.amazon.msk.auth.iam.IAMLoginModule required;"
          "sasl.client.callback.handler.class" = "software.amazon.msk.auth.iam.IAMClientCallbackHandler"
        })
      }
    }
    export = {
      version   = var.job_versions.export
      cpu       = var.job_cpu
      memory_gb = 4 * var.job_cpu
    }
  }
}

module "iam" {
  source = "../iam"

  prefix                 = var.prefix
  region                 = var.region
  account_id             = local.account_id
  cluster_arn            = module.msk.cluster_arn
  bucket_arns            = module.s3.arns
  key_arn                = module.s3.key_arn
  export_application_arn = module.emr.application_arns["export"]
  merger_group           = local.merger_group
  landing_group          = local.landing_group
  operator_arns          = var.admin_role_arns
}

module "release" {
  source = "../release"
  count  = var.release_repository == null ? 0 : 1

  prefix               = var.prefix
  repository           = var.release_repository
  provider_arn         = var.github_provider_arn
  repository_arns      = module.ecr.repository_arns
  artifacts_bucket_arn = module.s3.arns.artifacts
  jobs                 = keys(module.emr.runs)
  key_arn              = module.s3.key_arn
}

module "eks" {
  source = "../eks"

  prefix              = var.prefix
  subnet_ids          = module.network.private_subnet_ids
  public_access_cidrs = var.admin_cidrs
  admin_role_arns     = var.admin_role_arns
  instance_types      = var.node_types
  nodes_per_zone      = var.nodes_per_zone
  nodes_per_zone_max  = var.nodes_per_zone_max
  service_roles       = module.iam.service_roles
}

module "scheduler" {
  source = "../scheduler"

  prefix     = var.prefix
  account_id = local.account_id

  schedules = {
    landing = {
      expression      = "rate(${var.landing_minutes} minutes)"
      application_id  = module.emr.application_ids["landing"]
      application_arn = module.emr.application_arns["landing"]
      job_role_arn    = module.iam.role_arns["landing"]
      log_group       = module.emr.log_groups["landing"]
      timeout_minutes = 60
      run             = module.emr.runs["landing"]
    }
    # Small objects of closed days to large ones: the same release, under a role of its own
    compaction = {
      expression      = "cron(30 2 * * ? *)"
      application_id  = module.emr.application_ids["landing"]
      application_arn = module.emr.application_arns["landing"]
      job_role_arn    = module.iam.role_arns["compaction"]
      log_group       = module.emr.log_groups["landing"]
      timeout_minutes = 240
      arguments       = ["compact"]
      run             = merge(module.emr.runs["landing"], { properties = merge(module.emr.runs["landing"].properties, local.compaction_memory) })
    }
  }
}

module "observability" {
  source = "../observability"

  prefix                    = var.prefix
  environment               = var.environment
  region                    = var.region
  account_id                = local.account_id
  alarm_emails              = var.alarm_emails
  budget_usd                = var.budget_usd
  brokers                   = var.brokers
  application_ids           = module.emr.application_ids
  failed_queue_name         = module.scheduler.failed_queue_name
  cluster_arn               = module.eks.cluster_arn
  cluster_security_group_id = module.eks.security_group_id
  subnet_ids                = module.network.private_subnet_ids
  namespace                 = module.eks.namespace
}
