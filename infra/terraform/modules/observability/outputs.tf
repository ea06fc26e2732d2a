output "alarm_topic_arn" {
  description = "SNS topic that alarms of other modules are sent to."
  value       = aws_sns_topic.alarms.arn
}

output "prometheus_endpoint" {
  description = "Where metrics of the services are written to and asked for."
  value       = aws_prometheus_workspace.this.prometheus_endpoint
}
