output "repository_arns" {
  description = "Service -> ARN of its repository, for policies."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.arn }
}

output "repository_urls" {
  description = "Service -> where to push its image, and what charts name."
  value       = { for name, repository in aws_ecr_repository.this : name => repository.repository_url }
}
