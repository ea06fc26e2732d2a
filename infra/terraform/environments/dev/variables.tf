variable "region" {
  description = "AWS region of the environment."
  type        = string
}

variable "prefix" {
  description = "What the names of the environment's resources begin with; unique in all of S3."
  type        = string
}

variable "download_days" {
  description = "Days that an exported file stays."
  type        = number
}
