variable "prefix" {
  description = "What the names of the resources begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "repository" {
  description = "GitHub repository whose workflow may publish, OWNER/NAME."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.repository))
    error_message = "repository must be OWNER/NAME, without a *: whoever it names may publish what runs here."
  }
}

variable "environment" {
  description = "Environment of that repository in which the job must run; its guards decide who releases."
  type        = string
  default     = "aws"

  validation {
    condition     = can(regex("^[A-Za-z0-9._-]+$", var.environment))
    error_message = "environment must be letters, digits, dots, hyphens and underscores, without a *: without its guards anybody who can push a branch could publish."
  }
}

variable "provider_arn" {
  description = "The account's OIDC provider of GitHub, where there is one already; null: it is made."
  type        = string
  default     = null

  validation {
    condition     = var.provider_arn == null || can(regex("^arn:[^:]+:iam::[0-9]{12}:oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.provider_arn))
    error_message = "provider_arn must be arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com, or null."
  }
}

variable "repository_arns" {
  description = "Service -> ARN of the repository of its images, as module ecr has them."
  type        = map(string)
}

variable "artifacts_bucket_arn" {
  description = "ARN of the bucket with the jobs' archives and jars."
  type        = string
}

variable "jobs" {
  description = "Jobs that are released; each has a folder of that name in the bucket."
  type        = set(string)

  validation {
    condition     = length(var.jobs) > 0 && alltrue([for name in var.jobs : can(regex("^[a-z][a-z-]*$", name))])
    error_message = "jobs must be names of lower-case letters and hyphens, at least one."
  }
}

variable "key_arn" {
  description = "ARN of the key that encrypts the bucket."
  type        = string
}
