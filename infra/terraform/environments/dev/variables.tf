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

variable "nat" {
  description = "per_zone or single: whether each zone has an address of its own for the exchanges."
  type        = string
}

variable "download_days" {
  description = "Days that an exported file stays."
  type        = number
}

variable "force_destroy" {
  description = "Whether buckets and image repositories may be destroyed with what they hold."
  type        = bool
}

variable "emr_release" {
  description = "EMR release of the jobs: emr-spark-8.0.0, or one of 7.x where a region has no other."
  type        = string
}

variable "landing_minutes" {
  description = "Minutes between two runs of landing."
  type        = number
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
}

variable "job_cpu" {
  description = "vCPUs that a job may take at once; memory is four times as many GB."
  type        = number
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
