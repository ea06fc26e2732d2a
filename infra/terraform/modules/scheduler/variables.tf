variable "prefix" {
  description = "What the names of the resources begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "account_id" {
  description = "AWS account, the only one for which the scheduler may take on its role."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "schedules" {
  description = "What to start when (UTC): rate(...) or cron(...), the application, the role of the job, `run` as module emr has it, arguments, and when a run is given up."
  type = map(object({
    expression      = string
    application_id  = string
    application_arn = string
    job_role_arn    = string
    log_group       = string
    timeout_minutes = number
    enabled         = optional(bool, true)
    arguments       = optional(list(string), [])
    run = object({
      entry_point = string
      properties  = map(string)
    })
  }))

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : can(regex("^(rate\\([0-9]+ (minute|hour|day)s?\\)|cron\\([^)]+\\))$", schedule.expression))])
    error_message = "schedules: each expression must be rate(15 minutes) or cron(30 2 * * ? *) in kind."
  }

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : schedule.timeout_minutes >= 5 && floor(schedule.timeout_minutes) == schedule.timeout_minutes])
    error_message = "schedules: each timeout_minutes must be a whole number of at least 5."
  }
}
