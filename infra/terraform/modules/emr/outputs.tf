output "application_ids" {
  description = "Job -> id of its application."
  value       = { for name, application in aws_emrserverless_application.this : name => application.id }
}

output "application_arns" {
  description = "Job -> ARN of its application, for policies."
  value       = { for name, application in aws_emrserverless_application.this : name => application.arn }
}

output "runs" {
  description = "Job -> what StartJobRun is told: its release's folder, its beginning (EntryPoint) and the properties of Spark."
  value = {
    for name, job in local.jobs : name => {
      folder      = job.folder
      entry_point = "${job.folder}/main.py"
      properties  = local.conf[name]
    }
  }
}

output "log_groups" {
  description = "Job -> log group of its runs, for StartJobRun."
  value       = { for name, group in aws_cloudwatch_log_group.this : name => group.name }
}
