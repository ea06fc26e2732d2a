output "role_arns" {
  description = "Workload -> its role: ingestor, merger and api-grpc for pods, landing, compaction and export for jobs."
  value       = { for name, role in aws_iam_role.this : name => role.arn }
}

output "service_roles" {
  description = "Service -> its role, for pod identity."
  value       = { for name in keys(local.services) : name => aws_iam_role.this[name].arn }
}

output "operator_role_arn" {
  description = "Role that a person takes on for `jetl2 admin`."
  value       = aws_iam_role.operator.arn
}
