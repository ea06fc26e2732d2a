variable "environment" {
  description = "Name of the environment, the value of its tag."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*$", var.environment))
    error_message = "environment must be lower-case letters and digits."
  }
}

variable "prefix" {
  description = "What the names of all resources begin with; unique in all of S3."
  type        = string
}

variable "region" {
  description = "AWS region of the environment."
  type        = string
}

variable "zones" {
  description = "Its three availability zones to spread over."
  type        = list(string)
}

variable "cidr" {
  description = "Address range of the network, a /16."
  type        = string
  default     = "10.20.0.0/16"
}

variable "nat" {
  description = "per_zone or single: whether each zone has an address of its own for the exchanges."
  type        = string
  default     = "per_zone"
}

variable "exchanges" {
  description = "Exchanges that are recorded."
  type        = set(string)
}

variable "partitions" {
  description = "Partitions of every topic; fixed for the life of the environment."
  type        = number
}

variable "brokers" {
  description = "Kafka's brokers, a multiple of 3."
  type        = number
}

variable "broker_type" {
  description = "Kind of broker."
  type        = string
}

variable "broker_storage_gb" {
  description = "Disk of each broker at the beginning, in GiB."
  type        = number
}

variable "broker_storage_max_gb" {
  description = "What it may grow to."
  type        = number
}

variable "download_days" {
  description = "Days that an exported file stays."
  type        = number
}

variable "public_bucket" {
  description = "Whether there is a bucket that anybody may read."
  type        = bool
  default     = false
}

variable "force_destroy" {
  description = "Whether buckets and image repositories may be destroyed with what they hold."
  type        = bool
  default     = false
}

variable "emr_release" {
  description = "EMR release of the jobs."
  type        = string
}

variable "job_versions" {
  description = "Released versions of landing and export, as they lie in the artifacts bucket."
  type = object({
    landing = string
    export  = string
  })
}

variable "landing_jars" {
  description = "Names of the jars in landing's folder: Spark's Kafka connector and the IAM login for it."
  type        = list(string)

  validation {
    condition     = length(var.landing_jars) > 0
    error_message = "landing_jars must name the jars of Spark's Kafka connector: EMR does not bring them."
  }
}

variable "job_cpu" {
  description = "vCPUs that a job may take at once; memory is four times as many GB."
  type        = number
}

variable "landing_minutes" {
  description = "Minutes between two runs of landing."
  type        = number

  validation {
    condition     = var.landing_minutes >= 5 && var.landing_minutes <= 1440 && floor(var.landing_minutes) == var.landing_minutes
    error_message = "landing_minutes must be a whole number from 5 to 1440: retention is days, and a run takes minutes."
  }
}

variable "node_types" {
  description = "Kinds of Kubernetes node, the first that is to be had."
  type        = list(string)
}

variable "nodes_per_zone" {
  description = "Nodes in each zone at least."
  type        = number
}

variable "nodes_per_zone_max" {
  description = "Nodes in each zone at most."
  type        = number
}

variable "release_repository" {
  description = "GitHub repository, OWNER/NAME, whose release workflow may push images and jobs; null: nobody but administrators."
  type        = string
  default     = null
}

variable "github_provider_arn" {
  description = "The account's OIDC provider of GitHub, where there is one already; null: it is made with the workflow's role."
  type        = string
  default     = null
}

variable "admin_role_arns" {
  description = "IAM roles that administer Kubernetes, and may take on the operator's role for `jetl2 admin`."
  type        = set(string)
}

variable "admin_cidrs" {
  description = "From where Kubernetes' API is reached over the internet; empty: only from inside."
  type        = set(string)
  default     = []
}

variable "alarm_emails" {
  description = "Who hears of alarms."
  type        = set(string)
}

variable "budget_usd" {
  description = "What a month may cost, in USD."
  type        = number
}
