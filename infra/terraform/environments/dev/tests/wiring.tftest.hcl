mock_provider "aws" {}

run "the_buckets_carry_the_environments_name" {
  command = plan

  assert {
    condition     = output.buckets.lake == "${var.prefix}-lake"
    error_message = "The lake's bucket is not named after the environment."
  }
}
