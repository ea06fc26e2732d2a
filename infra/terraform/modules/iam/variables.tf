variable "prefix" {
  description = "What the names of the resources begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "region" {
  description = "AWS region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region such as eu-central-1."
  }
}

variable "account_id" {
  description = "AWS account, the only one for which AWS' services may take on the roles."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "cluster_arn" {
  description = "ARN of the Kafka cluster."
  type        = string

  validation {
    condition     = can(regex("^arn:[^:]+:kafka:[^:]+:[^:]+:cluster/[^/]+/[^/]+$", var.cluster_arn))
    error_message = "cluster_arn must be arn:aws:kafka:REGION:ACCOUNT:cluster/NAME/UUID."
  }
}

variable "bucket_arns" {
  description = "ARNs of the buckets, as module s3 has them."
  type = object({
    lake      = string
    downloads = string
    artifacts = string
  })
}

variable "key_arn" {
  description = "ARN of the key that encrypts the buckets."
  type        = string
}

variable "export_application_arn" {
  description = "ARN of the EMR Serverless application in which exports run."
  type        = string
}

variable "merger_group" {
  description = "Consumer group of the mergers (JETL2_MERGER_GROUP_ID), and the beginning of their transactional ids."
  type        = string
  default     = "jetl2.merger"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]+$", var.merger_group))
    error_message = "merger_group must be lower-case letters, digits, dots and hyphens: a * would let the merger into others' groups."
  }
}

variable "landing_group" {
  description = "Consumer group of landing (JETL2_LANDING_GROUP); `.market` and `.raw` are appended."
  type        = string
  default     = "jetl2.landing"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]+$", var.landing_group)) && !startswith(var.landing_group, var.merger_group)
    error_message = "landing_group must be lower-case letters, digits, dots and hyphens, and not begin with the mergers' group."
  }
}

variable "operator_arns" {
  description = "IAM roles or users of the people who may take on the operator's role, for `jetl2 admin`."
  type        = set(string)

  validation {
    condition     = length(var.operator_arns) > 0 && alltrue([for arn in var.operator_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:(role|user)/[^*]+$", arn))])
    error_message = "operator_arns must be ARNs of IAM roles or users, at least one, none with a *: each is a person who may write to raw topics."
  }
}
