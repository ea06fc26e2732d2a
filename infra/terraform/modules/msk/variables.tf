variable "prefix" {
  description = "What the names of the cluster's parts begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "vpc_id" {
  description = "Network of the brokers."
  type        = string
}

variable "subnet_ids" {
  description = "A private subnet in each of three zones."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "subnet_ids must be three subnets, one in each zone: a partition has a copy in each."
  }
}

variable "client_cidr" {
  description = "From where clients may connect."
  type        = string

  validation {
    condition     = can(cidrnetmask(var.client_cidr)) && !endswith(var.client_cidr, "/0")
    error_message = "client_cidr must be an IPv4 range, and not the whole internet."
  }
}

variable "kafka_version" {
  description = "Version of Kafka, in KRaft mode."
  type        = string
  default     = "3.9.x.kraft"

  validation {
    condition     = can(regex("^(3\\.[89]|4\\.[0-9]+)\\.x\\.kraft$", var.kafka_version))
    error_message = "kafka_version must be KRaft of 3.8 or later, such as 3.9.x.kraft: before 3.8 hanging transactions cannot be ended under IAM."
  }
}

variable "instance_type" {
  description = "Kind of broker."
  type        = string
  default     = "kafka.m7g.large"

  validation {
    condition     = can(regex("^kafka\\.(t3\\.small|m7g\\.(large|xlarge|[0-9]+xlarge))$", var.instance_type))
    error_message = "instance_type must be kafka.t3.small or kafka.m7g.large, xlarge, 2xlarge, ..."
  }
}

variable "brokers" {
  description = "Number of brokers, a multiple of the three zones."
  type        = number
  default     = 3

  validation {
    condition     = contains(range(3, 61), var.brokers)
    error_message = "brokers must be a whole number from 3 to 60, the limit of a KRaft cluster."
  }
}

variable "storage_gb" {
  description = "Disk of each broker at the beginning, in GiB."
  type        = number
  default     = 100

  validation {
    condition     = var.storage_gb >= 1 && var.storage_gb <= 16384 && floor(var.storage_gb) == var.storage_gb
    error_message = "storage_gb must be a whole number from 1 to 16384."
  }
}

variable "storage_max_gb" {
  description = "What a broker's disk may grow to, in GiB; it never shrinks."
  type        = number
  default     = 1000

  validation {
    condition     = var.storage_max_gb >= var.storage_gb && var.storage_max_gb <= 16384
    error_message = "storage_max_gb must be at least storage_gb, and at most 16384."
  }
}

variable "topics_file" {
  description = "topics.yaml: the topics and their settings."
  type        = string
}

variable "exchanges" {
  description = "Exchanges that are recorded; each has the topics of topics.yaml."
  type        = set(string)

  validation {
    condition     = length(var.exchanges) > 0 && alltrue([for name in var.exchanges : can(regex("^[a-z0-9][a-z0-9-]*$", name))])
    error_message = "exchanges must name at least one exchange, as `jetl2 ingest exchanges` lists them."
  }
}

variable "partitions" {
  description = "Partitions of every topic; fixed for life, since they say which symbol lies where."
  type        = number
  default     = 12

  validation {
    condition     = contains(range(1, 257), var.partitions)
    error_message = "partitions must be a whole number from 1 to 256."
  }
}

variable "log_days" {
  description = "Days that the brokers' logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365], var.log_days)
    error_message = "log_days must be one of the retentions of CloudWatch: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180 or 365."
  }
}

variable "alarm_topic_arns" {
  description = "SNS topics that hear the alarms."
  type        = list(string)
  default     = []
}
