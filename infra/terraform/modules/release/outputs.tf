output "role_arn" {
  description = "Role of the release workflow: its variable AWS_RELEASE_ROLE."
  value       = aws_iam_role.this.arn
}
