mock_provider "aws" {
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::a-bucket" }
  }
}

variables {
  prefix        = "jetl2-test"
  download_days = 7
}

run "private_and_encrypted" {
  command = apply

  assert {
    condition = output.names == {
      artifacts = "jetl2-test-artifacts"
      downloads = "jetl2-test-downloads"
      inventory = "jetl2-test-inventory"
      lake      = "jetl2-test-lake"
    }
    error_message = "The outputs do not name the buckets."
  }

  assert {
    condition     = toset(keys(aws_s3_bucket_public_access_block.this)) == toset(keys(aws_s3_bucket.this))
    error_message = "A bucket has no public-access block."
  }

  assert {
    condition = alltrue([
      for block in aws_s3_bucket_public_access_block.this :
      block.block_public_acls && block.block_public_policy && block.ignore_public_acls && block.restrict_public_buckets
    ])
    error_message = "A public-access block leaves something open."
  }

  assert {
    condition = alltrue([
      for policy in aws_s3_bucket_policy.this :
      jsondecode(policy.policy).Statement[0].Effect == "Deny" && jsondecode(policy.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    ])
    error_message = "A bucket can be read without TLS."
  }

  assert {
    condition = alltrue([
      for purpose in ["lake", "downloads", "artifacts"] : alltrue([
        for rule in aws_s3_bucket_server_side_encryption_configuration.this[purpose].rule :
        rule.bucket_key_enabled && rule.apply_server_side_encryption_by_default[0].kms_master_key_id == aws_kms_key.this.arn
      ])
    ])
    error_message = "A bucket is not encrypted by our key."
  }

  assert {
    condition     = toset(keys(aws_s3_bucket_versioning.this)) == toset(["lake", "artifacts"])
    error_message = "Exactly the lake and the artifacts are versioned."
  }

  assert {
    condition = [
      for rule in aws_s3_bucket_lifecycle_configuration.this["downloads"].rule :
      rule.expiration[0].days if rule.id == "exported-files"
    ] == [7]
    error_message = "Exported files do not expire after download_days."
  }

  assert {
    condition = alltrue([
      for purpose in ["lake", "artifacts"] :
      alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this[purpose].rule : alltrue([for expiration in rule.expiration : coalesce(expiration.days, 0) == 0 && expiration.expired_object_delete_marker])])
    ])
    error_message = "Current objects of the lake or the artifacts expire."
  }

  assert {
    condition = [
      for rule in aws_s3_bucket_lifecycle_configuration.this["lake"].rule :
      rule.filter[0].prefix if length(rule.transition) > 0
    ] == ["data_type=raw/"]
    error_message = "Something else than raw events moves to another class."
  }
}

run "one_folder_is_public_when_told" {
  command = apply

  variables {
    public = true
  }

  assert {
    condition = [
      for statement in jsondecode(aws_s3_bucket_policy.this["public"].policy).Statement :
      [statement.Action, statement.Resource] if statement.Effect == "Allow"
    ] == [["s3:GetObject", ["arn:aws:s3:::a-bucket/data/*"]]]
    error_message = "Anybody may do more than read the public folder."
  }

  assert {
    condition = alltrue([
      for purpose, block in aws_s3_bucket_public_access_block.this :
      block.block_public_policy && block.restrict_public_buckets if purpose != "public"
    ])
    error_message = "Another bucket than the public one is open."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix          = "JetL2"
    download_days   = 0
    noncurrent_days = 1.5
    raw_hot_days    = 0
    public_prefix   = "/"
  }

  expect_failures = [var.prefix, var.download_days, var.noncurrent_days, var.raw_hot_days, var.public_prefix]
}
