output "names" {
  description = "Name of each bucket, by purpose: lake, downloads, artifacts."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.bucket }
}

output "arns" {
  description = "ARN of each bucket, by purpose, for policies."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => bucket.arn }
}
