output "cluster_arn" {
  description = "ARN of the cluster, from which the ARNs of topics, groups and transactional ids follow."
  value       = aws_msk_cluster.this.arn
}

output "cluster_name" {
  description = "Name of the cluster, for metrics."
  value       = aws_msk_cluster.this.cluster_name
}

output "bootstrap_servers" {
  description = "Brokers, for clients with TLS and IAM."
  value       = aws_msk_cluster.this.bootstrap_brokers_sasl_iam
}

output "security_group_id" {
  description = "Security group of the brokers."
  value       = aws_security_group.this.id
}

output "topics" {
  description = "Every topic of the environment -> its settings."
  value       = local.topics
}

output "partitions" {
  description = "Partitions of each topic that does not say how many it has, for the ingestor's setting."
  value       = var.partitions
}

output "replicas_per_broker" {
  description = "Copies of partitions on each broker, and what its kind takes."
  value       = { is = local.replicas_per_broker, most = local.most_per_broker }
}
