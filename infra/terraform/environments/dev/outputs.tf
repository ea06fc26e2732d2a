output "buckets" {
  description = "Name of each bucket, by purpose."
  value       = module.platform.buckets
}

output "bootstrap_servers" {
  description = "Kafka's brokers, for clients with TLS and IAM."
  value       = module.platform.bootstrap_servers
}

output "topics" {
  description = "Every topic of the environment -> its settings."
  value       = module.platform.topics
}

output "partitions" {
  description = "Partitions of each topic."
  value       = module.platform.partitions
}

output "replicas_per_broker" {
  description = "Copies of partitions on each broker, and what its kind takes."
  value       = module.platform.replicas_per_broker
}

output "cluster_name" {
  description = "Name of the Kubernetes cluster."
  value       = module.platform.cluster_name
}

output "repository_urls" {
  description = "Service -> where to push its image."
  value       = module.platform.repository_urls
}

output "release_role_arn" {
  description = "Role of GitHub's release workflow, its variable AWS_RELEASE_ROLE; null without release_repository."
  value       = module.platform.release_role_arn
}

output "export" {
  description = "What the API is told to start exports: application, role, log group, beginning and properties."
  value       = module.platform.export
}

output "operator_role_arn" {
  description = "Role that a person takes on for `jetl2 admin`."
  value       = module.platform.operator_role_arn
}

output "egress_addresses" {
  description = "Zone -> the address that exchanges see."
  value       = module.platform.egress_addresses
}

output "prometheus_endpoint" {
  description = "Where metrics are written to and asked for."
  value       = module.platform.prometheus_endpoint
}

output "chart_values" {
  description = "What infra/chart is told, as YAML: `terraform output -raw chart_values`."
  value       = module.platform.chart_values
}
