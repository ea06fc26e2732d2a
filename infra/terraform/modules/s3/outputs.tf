output "names" {
  description = "Name of each bucket, by purpose: lake, downloads, artifacts, inventory and, where there is one, public."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.bucket }
}

output "arns" {
  description = "ARN of each bucket, by purpose, for policies."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.arn }
}

output "key_arn" {
  description = "ARN of the key that encrypts lake, downloads and artifacts, for policies."
  value       = aws_kms_key.this.arn
}
