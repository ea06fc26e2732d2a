output "cluster_name" {
  description = "Name of the cluster, for `aws eks update-kubeconfig`."
  value       = aws_eks_cluster.this.name
}

output "endpoint" {
  description = "Address of Kubernetes' API."
  value       = aws_eks_cluster.this.endpoint
}

output "namespace" {
  description = "Namespace whose service accounts have roles."
  value       = var.namespace
}

output "cluster_arn" {
  description = "The cluster, for the collector of metrics."
  value       = aws_eks_cluster.this.arn
}

output "security_group_id" {
  description = "Security group of the cluster and its nodes, which EKS makes."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}
