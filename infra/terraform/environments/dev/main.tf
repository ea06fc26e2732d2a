provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project     = "jetl2"
      environment = "dev"
    }
  }
}

module "s3" {
  source = "../../modules/s3"

  prefix        = var.prefix
  download_days = var.download_days
  # Nothing here is worth keeping
  force_destroy = true
}
