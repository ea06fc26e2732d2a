mock_provider "aws" {}

variables {
  prefix = "jetl2-test"
}

run "nothing_is_public" {
  command = apply

  assert {
    condition     = length(aws_s3_bucket_public_access_block.this) == length(aws_s3_bucket.this)
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
      for policy in aws_s3_bucket_policy.tls_only :
      jsondecode(policy.policy).Statement[0].Effect == "Deny"
    ])
    error_message = "A bucket can be read without TLS."
  }
}

run "buckets_are_named_by_purpose" {
  command = apply

  assert {
    condition = output.names == {
      artifacts = "jetl2-test-artifacts"
      downloads = "jetl2-test-downloads"
      lake      = "jetl2-test-lake"
    }
    error_message = "The outputs do not name the three buckets."
  }
}

run "only_exported_files_expire" {
  command = apply

  variables {
    download_days = 7
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
      alltrue([for rule in aws_s3_bucket_lifecycle_configuration.this[purpose].rule : length(rule.expiration) == 0])
    ])
    error_message = "Current objects of the lake or the artifacts expire."
  }
}

run "what_cannot_be_made_anew_is_versioned" {
  command = apply

  assert {
    condition     = toset(keys(aws_s3_bucket_versioning.this)) == toset(["lake", "artifacts"])
    error_message = "Exactly the lake and the artifacts are versioned."
  }
}

run "a_prefix_in_capitals_is_refused" {
  command = plan

  variables {
    prefix = "JetL2"
  }

  expect_failures = [var.prefix]
}

run "a_lifetime_of_nothing_is_refused" {
  command = plan

  variables {
    download_days = 0
  }

  expect_failures = [var.download_days]
}
