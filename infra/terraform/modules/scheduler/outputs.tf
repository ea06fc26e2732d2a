output "schedule_names" {
  description = "Schedule -> its name, in the group named after the environment."
  value       = { for name, schedule in aws_scheduler_schedule.this : name => schedule.name }
}

output "failed_queue_name" {
  description = "Queue of the starts that failed, for an alarm."
  value       = aws_sqs_queue.failed.name
}
