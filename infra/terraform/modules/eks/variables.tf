variable "prefix" {
  description = "What the names of the resources begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "kubernetes_version" {
  description = "Version of Kubernetes, major and minor."
  type        = string
  default     = "1.35"

  validation {
    condition     = can(regex("^1\\.(3[2-9]|[4-9][0-9])$", var.kubernetes_version))
    error_message = "kubernetes_version must be 1.32 or later, such as 1.35."
  }
}

variable "subnet_ids" {
  description = "A private subnet in each of three zones; each gets a group of nodes."
  type        = list(string)

  validation {
    condition     = length(var.subnet_ids) == 3
    error_message = "subnet_ids must be three subnets, one in each zone."
  }
}

variable "public_access_cidrs" {
  description = "From where Kubernetes' API may be reached over the internet; empty: only from inside the network."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for range in var.public_access_cidrs : can(cidrnetmask(range)) && !endswith(range, "/0")])
    error_message = "public_access_cidrs must be IPv4 ranges, and not the whole internet."
  }
}

variable "admin_role_arns" {
  description = "Roles that administer the cluster."
  type        = set(string)

  validation {
    condition     = length(var.admin_role_arns) > 0 && alltrue([for arn in var.admin_role_arns : can(regex("^arn:[^:]+:iam::[0-9]{12}:(role|user)/", arn))])
    error_message = "admin_role_arns must be ARNs of IAM roles or users, at least one: nobody else can enter."
  }
}

variable "instance_types" {
  description = "Kinds of node, the first that is to be had."
  type        = list(string)
  default     = ["m7i.large", "m6i.large"]

  validation {
    condition     = length(var.instance_types) > 0
    error_message = "instance_types must name at least one kind."
  }
}

variable "nodes_per_zone" {
  description = "Nodes in each zone at least."
  type        = number
  default     = 1

  validation {
    condition     = var.nodes_per_zone >= 1 && floor(var.nodes_per_zone) == var.nodes_per_zone
    error_message = "nodes_per_zone must be a whole number of at least 1."
  }
}

variable "nodes_per_zone_max" {
  description = "Nodes in each zone at most."
  type        = number
  default     = 3

  validation {
    condition     = var.nodes_per_zone_max >= 1 && floor(var.nodes_per_zone_max) == var.nodes_per_zone_max
    error_message = "nodes_per_zone_max must be a whole number of at least 1."
  }
}

variable "node_disk_gb" {
  description = "Disk of a node, in GiB."
  type        = number
  default     = 50

  validation {
    condition     = var.node_disk_gb >= 20
    error_message = "node_disk_gb must be at least 20."
  }
}

variable "namespace" {
  description = "Namespace of the services."
  type        = string
  default     = "jetl2"
}

variable "service_roles" {
  description = "Service account -> ARN of the role that its pods take on."
  type        = map(string)
}
