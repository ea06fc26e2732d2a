variable "prefix" {
  description = "What the names of the resources begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "release_label" {
  description = "EMR release. Where a region does not have emr-spark-8 yet, 7.x runs the same jobs with the connectors of Spark 3.5."
  type        = string
  default     = "emr-spark-8.0.0"

  validation {
    condition     = can(regex("^(emr-spark-8\\.[0-9]+\\.[0-9]+|emr-7\\.[0-9]+\\.[0-9]+)$", var.release_label))
    error_message = "release_label must be emr-spark-8.x.y (Spark 4.0) or emr-7.x.y (Spark 3.5)."
  }
}

variable "vpc_id" {
  description = "Network of the jobs."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets of the jobs."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) >= 2
    error_message = "subnet_ids must be at least two: EMR moves a job whose zone has no capacity."
  }
}

variable "kafka_security_group_id" {
  description = "Security group of the brokers."
  type        = string
}

variable "artifacts_bucket" {
  description = "Bucket with the jobs' archives and jars: <job>/<version>/<job>-job.tar.gz, main.py and jars/."
  type        = string
}

variable "jobs" {
  description = "Jobs by name: released version, connector jars, environment of the driver, and the most they may take at once."
  type = map(object({
    version     = string
    jars        = optional(list(string), [])
    environment = optional(map(string), {})
    cpu         = optional(number, 32)
    memory_gb   = optional(number, 128)
    disk_gb     = optional(number, 400)
  }))

  validation {
    condition     = length(var.jobs) > 0 && alltrue([for name, job in var.jobs : can(regex("^[a-z][a-z-]*$", name)) && can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", job.version))])
    error_message = "jobs must name at least one job, each with a released version such as 1.2.0."
  }

  validation {
    condition     = alltrue([for job in values(var.jobs) : job.cpu >= 4 && job.memory_gb >= 2 * job.cpu && job.disk_gb >= 20])
    error_message = "jobs: each needs at least 4 vCPU, 2 GB of memory a vCPU and 20 GB of disk: a driver and an executor."
  }
}

variable "idle_minutes" {
  description = "Minutes without a job after which an application stops."
  type        = number
  default     = 5

  validation {
    condition     = var.idle_minutes >= 1 && var.idle_minutes <= 10080 && floor(var.idle_minutes) == var.idle_minutes
    error_message = "idle_minutes must be a whole number from 1 to 10080."
  }
}
