output "buckets" {
  description = "Name of each bucket, by purpose."
  value       = module.s3.names
}

output "bootstrap_servers" {
  description = "Kafka's brokers, for clients with TLS and IAM."
  value       = module.msk.bootstrap_servers
}

output "topics" {
  description = "Every topic of the environment -> its settings."
  value       = module.msk.topics
}

output "partitions" {
  description = "Partitions of each topic."
  value       = module.msk.partitions
}

output "replicas_per_broker" {
  description = "Copies of partitions on each broker, and what its kind takes."
  value       = module.msk.replicas_per_broker
}

output "cluster_name" {
  description = "Name of the Kubernetes cluster."
  value       = module.eks.cluster_name
}

output "repository_urls" {
  description = "Service -> where to push its image."
  value       = module.ecr.repository_urls
}

output "release_role_arn" {
  description = "Role of GitHub's release workflow, its variable AWS_RELEASE_ROLE; null without release_repository."
  value       = one(module.release[*].role_arn)
}

output "export" {
  description = "What the API is told to start exports: application, role, log group, beginning and properties."
  value = {
    application_id = module.emr.application_ids["export"]
    role_arn       = module.iam.role_arns["export"]
    log_group      = module.emr.log_groups["export"]
    run            = module.emr.runs["export"]
  }
}

output "operator_role_arn" {
  description = "Role that a person takes on for `jetl2 admin`."
  value       = module.iam.operator_role_arn
}

output "egress_addresses" {
  description = "Zone -> the address that exchanges see."
  value       = module.network.egress_addresses
}

output "prometheus_endpoint" {
  description = "Where metrics are written to and asked for."
  value       = module.observability.prometheus_endpoint
}

output "chart_values" {
  description = "What the chart of the services is told, as YAML; infra/chart/environments/outputs.example.yaml shows it."
  value = yamlencode({
    image = { registry = trimsuffix(module.ecr.repository_urls["merger"], "/merger") }
    aws   = { region = var.region, prefix = var.prefix }
    kafka = {
      bootstrapServers = module.msk.bootstrap_servers
      cidr             = var.cidr
      partitions       = module.msk.partitions
    }
    metrics = {
      serviceMonitor = false
      cidr           = var.cidr
    }
    api = {
      lake      = "s3://${module.s3.names.lake}"
      downloads = "s3://${module.s3.names.downloads}"
      export = {
        application = module.emr.application_ids["export"]
        role        = module.iam.role_arns["export"]
        logs        = module.emr.log_groups["export"]
        job         = trimsuffix(module.emr.runs["export"].entry_point, "/main.py")
      }
      settings = { KEEP_DAYS = tostring(var.download_days) }
    }
  })
}
