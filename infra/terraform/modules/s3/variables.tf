variable "prefix" {
  description = "What the buckets' names begin with; unique in all of S3."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,48}$", var.prefix))
    error_message = "prefix must be 2 to 49 lower-case letters, digits and hyphens, and begin with a letter or digit."
  }
}

variable "download_days" {
  description = "Days that an exported file stays; asking for it again makes it anew."
  type        = number
  default     = 30

  validation {
    condition     = var.download_days >= 1 && floor(var.download_days) == var.download_days
    error_message = "download_days must be a whole number of at least 1."
  }
}

variable "noncurrent_days" {
  description = "Days that a replaced or deleted object of the lake can still be brought back."
  type        = number
  default     = 14

  validation {
    condition     = var.noncurrent_days >= 1 && floor(var.noncurrent_days) == var.noncurrent_days
    error_message = "noncurrent_days must be a whole number of at least 1."
  }
}

variable "force_destroy" {
  description = "Whether destroying the environment destroys the buckets' content with it."
  type        = bool
  default     = false
}

variable "raw_hot_days" {
  description = "Days after which raw events of the lake go to a cheaper class, from which they are still read at once."
  type        = number
  default     = 30

  validation {
    condition     = var.raw_hot_days >= 1 && floor(var.raw_hot_days) == var.raw_hot_days
    error_message = "raw_hot_days must be a whole number of at least 1."
  }
}

variable "public" {
  description = "Whether there is a bucket that anybody may read, for files that are published; no other bucket is ever public."
  type        = bool
  default     = false
}

variable "public_prefix" {
  description = "Folder of that bucket that anybody may read."
  type        = string
  default     = "data"

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9/-]*[a-z0-9]$", var.public_prefix))
    error_message = "public_prefix must be lower-case letters, digits, hyphens and slashes inside, such as data."
  }
}
