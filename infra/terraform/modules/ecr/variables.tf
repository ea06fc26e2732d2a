variable "prefix" {
  description = "What the names of the resources begin with."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "services" {
  description = "Services that have images; each gets a repository."
  type        = set(string)
  default     = ["ingestor", "merger", "api-grpc"]

  validation {
    condition     = length(var.services) > 0 && alltrue([for name in var.services : can(regex("^[a-z][a-z0-9-]*$", name))])
    error_message = "services must be names of lower-case letters, digits and hyphens, at least one."
  }
}

variable "keep" {
  description = "Images that are kept of each service."
  type        = number
  default     = 50

  validation {
    condition     = var.keep >= 2 && floor(var.keep) == var.keep
    error_message = "keep must be a whole number of at least 2: what runs, and what it replaced."
  }
}

variable "force_delete" {
  description = "Whether destroying the environment destroys images with it."
  type        = bool
  default     = false
}
