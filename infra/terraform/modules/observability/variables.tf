variable "prefix" {
  description = "What the names of the resources begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "environment" {
  description = "Value of the tag `environment`, by which the budget counts."
  type        = string
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
  description = "AWS account."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be the 12 digits of an AWS account."
  }
}

variable "alarm_emails" {
  description = "Who hears of alarms; each gets a mail to confirm it."
  type        = set(string)

  validation {
    condition     = length(var.alarm_emails) > 0 && alltrue([for mail in var.alarm_emails : can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", mail))])
    error_message = "alarm_emails must be mail addresses, at least one: alarms that nobody hears are none."
  }
}

variable "budget_usd" {
  description = "What a month may cost, in USD."
  type        = number

  validation {
    condition     = var.budget_usd > 0
    error_message = "budget_usd must be more than 0."
  }
}

variable "brokers" {
  description = "Brokers of the cluster, for the dashboard."
  type        = number

  validation {
    condition     = var.brokers >= 1 && floor(var.brokers) == var.brokers
    error_message = "brokers must be a whole number of at least 1."
  }
}

variable "application_ids" {
  description = "Job -> id of its EMR Serverless application."
  type        = map(string)
}

variable "failed_queue_name" {
  description = "Queue of the starts that failed, as module scheduler has it."
  type        = string
}

variable "cluster_arn" {
  description = "EKS cluster whose pods the collector reads."
  type        = string
}

variable "cluster_security_group_id" {
  description = "Security group of that cluster and its nodes, which the collector joins to reach the pods."
  type        = string
}

variable "subnet_ids" {
  description = "Subnets that the collector reads from, in two zones at least."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must be at least two subnets, in different zones: the collector wants no fewer."
  }
}

variable "namespace" {
  description = "Namespace of the services."
  type        = string
}
