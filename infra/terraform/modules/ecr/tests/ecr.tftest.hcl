mock_provider "aws" {}

variables {
  prefix = "jetl2-test"
}

run "images_stay_what_they_are" {
  command = plan

  assert {
    condition     = [for repository in aws_ecr_repository.this : repository.name] == ["jetl2-test/api-grpc", "jetl2-test/ingestor", "jetl2-test/merger"]
    error_message = "The repositories are not named after environment and service."
  }

  assert {
    condition = alltrue([
      for repository in aws_ecr_repository.this :
      repository.image_tag_mutability == "IMMUTABLE" && repository.image_scanning_configuration[0].scan_on_push &&
      repository.encryption_configuration[0].encryption_type == "KMS" && !repository.force_delete
    ])
    error_message = "An image can change under its tag, is not scanned or not encrypted."
  }

  assert {
    condition     = [for rule in jsondecode(aws_ecr_lifecycle_policy.this["merger"].policy).rules : [rule.selection.tagPatternList, rule.selection.countNumber]] == [[["*.*.*"], 50]]
    error_message = "Images pile up, or what has no version of its own expires: signatures, bills of materials."
  }
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix   = "JetL2"
    services = []
    keep     = 1
  }

  expect_failures = [var.prefix, var.services, var.keep]
}
