# Bucket and region are given to `terraform init`: they differ from one account to the next
terraform {
  backend "s3" {
    key          = "jetl2/prod/terraform.tfstate"
    encrypt      = true
    use_lockfile = true
  }
}
