output "buckets" {
  description = "Name of each bucket, by purpose."
  value       = module.s3.names
}
