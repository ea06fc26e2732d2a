variable "prefix" {
  description = "What the names of the network's parts begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "region" {
  description = "AWS region, for the names of the endpoints' services."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region such as eu-central-1."
  }
}

variable "zones" {
  description = "The three availability zones to spread over."
  type        = list(string)

  validation {
    condition     = length(distinct(var.zones)) == 3 && length(var.zones) == 3
    error_message = "zones must be three different availability zones: Kafka keeps one copy of each partition in each."
  }
}

variable "cidr" {
  description = "Address range of the network, a /16."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrnetmask(var.cidr)) && endswith(var.cidr, "/16") && try(cidrhost(var.cidr, 0) == split("/", var.cidr)[0], false)
    error_message = "cidr must be an IPv4 range whose first address comes before /16, such as 10.20.0.0/16."
  }
}

variable "nat" {
  description = "per_zone: a gateway in each zone, so that recorders in different zones have different addresses for the exchanges' limits; single: one for all, cheaper."
  type        = string
  default     = "per_zone"

  validation {
    condition     = contains(["per_zone", "single"], var.nat)
    error_message = "nat must be per_zone or single."
  }
}

variable "endpoints" {
  description = "AWS services reached without NAT, by an interface endpoint in each zone; S3 always has one."
  type        = set(string)
  default     = ["ecr.api", "ecr.dkr", "sts", "logs", "secretsmanager", "emr-serverless", "kms"]

  validation {
    condition     = !contains(var.endpoints, "s3")
    error_message = "endpoints must not name s3: it has a gateway endpoint, which costs nothing."
  }
}

variable "flow_log_days" {
  description = "Days that the flow log is kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365], var.flow_log_days)
    error_message = "flow_log_days must be one of the retentions of CloudWatch: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180 or 365."
  }
}
