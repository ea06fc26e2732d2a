mock_provider "aws" {
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::b" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/r" }
  }
  mock_resource "aws_msk_cluster" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/c/u" }
  }
  mock_resource "aws_msk_configuration" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:configuration/c/u" }
  }
  mock_resource "aws_prometheus_workspace" {
    defaults = { arn = "arn:aws:aps:eu-central-1:123456789012:workspace/ws-1" }
  }
  mock_resource "aws_eks_cluster" {
    defaults = { arn = "arn:aws:eks:eu-central-1:123456789012:cluster/c" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:t" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = { arn = "arn:aws:sqs:eu-central-1:123456789012:q" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:g" }
  }
  mock_resource "aws_emrserverless_application" {
    defaults = { arn = "arn:aws:emr-serverless:eu-central-1:123456789012:/applications/a" }
  }
  mock_resource "aws_launch_template" {
    defaults = { id = "lt-1", latest_version = 1 }
  }
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

run "what_it_is_made_of" {
  command = apply

  assert {
    condition     = output.buckets.lake == "${var.prefix}-lake" && output.cluster_name == var.prefix
    error_message = "Something is not named after the environment."
  }

  assert {
    condition     = length(output.topics) == 10 && output.partitions == 12 && output.replicas_per_broker == { is = 109, most = 1000 }
    error_message = "Topics or their share of a broker are not what was reckoned: 4 for each exchange and the changelog, 12 partitions; one of 1; 3 copies."
  }

  assert {
    condition     = length(output.egress_addresses) == 1
    error_message = "Recorders do not leave by as many addresses as they should."
  }

  assert {
    condition     = var.force_destroy == true
    error_message = "What is worth keeping goes with its bucket."
  }
}
