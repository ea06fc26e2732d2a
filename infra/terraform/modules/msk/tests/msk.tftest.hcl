mock_provider "aws" {
  mock_resource "aws_msk_cluster" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:cluster/jetl2-test-kafka/uuid-1" }
  }
  mock_resource "aws_msk_configuration" {
    defaults = { arn = "arn:aws:kafka:eu-central-1:123456789012:configuration/jetl2-test-kafka/uuid-1" }
  }
  mock_resource "aws_kms_key" {
    defaults = { arn = "arn:aws:kms:eu-central-1:123456789012:key/1" }
  }
}

variables {
  prefix           = "jetl2-test"
  vpc_id           = "vpc-1"
  subnet_ids       = ["subnet-1", "subnet-2", "subnet-3"]
  client_cidr      = "10.20.0.0/16"
  topics_file      = "../../topics.yaml"
  exchanges        = ["one", "two"]
  alarm_topic_arns = ["arn:aws:sns:eu-central-1:123456789012:alarms"]
}

run "safe_by_default" {
  command = apply

  assert {
    condition     = aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].client_broker == "TLS" && aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].in_cluster && aws_msk_cluster.this.encryption_info[0].encryption_at_rest_kms_key_arn == aws_kms_key.this.arn
    error_message = "Something is not encrypted, or not by our key."
  }

  assert {
    condition     = aws_msk_cluster.this.client_authentication[0].sasl[0].iam && !aws_msk_cluster.this.client_authentication[0].sasl[0].scram && !aws_msk_cluster.this.client_authentication[0].unauthenticated
    error_message = "Clients can come in by another way than IAM."
  }

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_vpc_security_group_ingress_rule.clients.from_port == 9098 && aws_vpc_security_group_ingress_rule.clients.to_port == 9098
    error_message = "The key stays the same for ever, or more than the IAM port is open."
  }

  assert {
    condition = alltrue([for line in [
      "auto.create.topics.enable=false",
      "default.replication.factor=3",
      "min.insync.replicas=2",
      "transaction.state.log.replication.factor=3",
      "transaction.state.log.min.isr=2",
      "offsets.topic.replication.factor=3",
      "unclean.leader.election.enable=false",
      "transaction.max.timeout.ms=60000",
      "message.max.bytes=67108864",
      "replica.fetch.max.bytes=67108864",
    ] : contains(split("\n", aws_msk_configuration.this.server_properties), line)])
    error_message = "The brokers' settings do not carry transactions and the largest records."
  }

  assert {
    condition     = length(output.topics) == 10 && output.topics["raw.one"]["retention.ms"] == "604800000" && output.topics["market.two"]["retention.ms"] == "259200000" && alltrue([for name in ["merger.changelog", "redrive.changelog"] : output.topics[name]["cleanup.policy"] == "compact"])
    error_message = "The topics are not those of topics.yaml for both exchanges."
  }

  assert {
    condition     = output.replicas_per_broker == { is = 109, most = 1000 }
    error_message = "9 topics x 12 partitions and one of 1, x 3 copies / 3 brokers, are 109."
  }

  assert {
    condition     = aws_appautoscaling_target.storage.max_capacity == 1000 && aws_appautoscaling_policy.storage.target_tracking_scaling_policy_configuration[0].disable_scale_in
    error_message = "Storage does not grow."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.broker) == 9 && alltrue([for alarm in merge(aws_cloudwatch_metric_alarm.cluster, aws_cloudwatch_metric_alarm.broker) : length(alarm.alarm_actions) == 1])
    error_message = "A broker is not watched, or an alarm is heard by nobody."
  }
}

run "more_than_the_brokers_hold_is_refused" {
  command = plan

  variables {
    exchanges     = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]
    instance_type = "kafka.t3.small"
  }

  expect_failures = [aws_msk_cluster.this]
}

run "wrong_values_are_refused" {
  command = plan

  variables {
    prefix         = "JetL2"
    subnet_ids     = ["subnet-1"]
    client_cidr    = "0.0.0.0/0"
    kafka_version  = "3.7.x.kraft"
    instance_type  = "m7g.large"
    brokers        = 2
    storage_max_gb = 20000
    exchanges      = []
    partitions     = 0
    log_days       = 2
  }

  expect_failures = [
    var.prefix, var.subnet_ids, var.client_cidr, var.kafka_version, var.instance_type, var.brokers,
    var.storage_max_gb, var.exchanges, var.partitions, var.log_days,
  ]
}
