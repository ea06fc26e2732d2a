mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
}

run "what_it_is_made_of" {
  command = plan

  assert {
    condition     = output.buckets.lake == "${var.prefix}-lake" && output.cluster_name == var.prefix
    error_message = "Something is not named after the environment."
  }

  assert {
    condition     = length(output.topics) == 110 && output.partitions == 12 && output.replicas_per_broker == { is = 655, most = 1000 }
    error_message = "Topics or their share of a broker are not what was reckoned: 4 for each exchange and the changelog, 12 partitions; one of 1; 3 copies."
  }

  assert {
    condition     = length(output.egress_addresses) == 3
    error_message = "Recorders do not leave by as many addresses as they should."
  }

  assert {
    condition     = var.force_destroy == false
    error_message = "What is worth keeping goes with its bucket."
  }
}
