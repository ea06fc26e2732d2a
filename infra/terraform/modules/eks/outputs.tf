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
