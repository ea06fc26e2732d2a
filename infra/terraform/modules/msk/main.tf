locals {
  topics_file = yamldecode(file(var.topics_file)).topics
  per_each    = [for name in keys(local.topics_file) : name if strcontains(name, "<exchange>")]
  alone       = [for name in keys(local.topics_file) : name if !strcontains(name, "<exchange>")]

  # Every topic of the environment, as the services make it
  topics = merge(
    { for name in local.alone : name => local.topics_file[name].config },
    { for pair in setproduct(local.per_each, var.exchanges) :
    replace(pair[0], "<exchange>", pair[1]) => local.topics_file[pair[0]].config },
  )

  # Those that stand alone may say how many they have
  partitions = sum([for name in keys(local.topics) : try(local.topics_file[name].partitions, var.partitions)])

  copies = 3
  # AWS counts copies, and asks for no more than this on one broker
  replicas_per_broker = ceil(local.partitions * local.copies / var.brokers)
  most_per_broker = lookup(
    { "t3.small" = 300, "m7g.large" = 1000, "m7g.xlarge" = 1000, "m7g.2xlarge" = 2000 },
    trimprefix(var.instance_type, "kafka."), 4000
  )

  # What a broker must take in one piece: the largest record of any topic
  largest = max([for config in values(local.topics) : tonumber(config["max.message.bytes"])]...)

  server_properties = {
    # A topic made by a typing error has the wrong number of partitions
    "auto.create.topics.enable"      = false
    "default.replication.factor"     = local.copies
    "min.insync.replicas"            = 2
    "unclean.leader.election.enable" = false
    "num.partitions"                 = var.partitions

    # A transaction survives the loss of a zone
    "offsets.topic.replication.factor"         = local.copies
    "transaction.state.log.replication.factor" = local.copies
    "transaction.state.log.min.isr"            = 2
    # What a dead producer leaves open holds up every reader of committed records
    "transaction.max.timeout.ms" = 60000
    # Offsets hold the plan of an unfinished landing run: a pause of weeks must not lose them
    "offsets.retention.minutes"      = 129600
    "transactional.id.expiration.ms" = 7776000000

    "message.max.bytes"       = local.largest
    "replica.fetch.max.bytes" = local.largest
  }
}

resource "aws_kms_key" "this" {
  description             = "${var.prefix}: Kafka at rest"
  enable_key_rotation     = true
  deletion_window_in_days = 30

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_kms_alias" "this" {
  name          = "alias/${var.prefix}-kafka"
  target_key_id = aws_kms_key.this.key_id
}

resource "aws_security_group" "this" {
  name        = "${var.prefix}-kafka"
  description = "Kafka with IAM"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "clients" {
  security_group_id = aws_security_group.this.id
  description       = "Kafka over TLS with IAM, from the network"
  cidr_ipv4         = var.client_cidr
  ip_protocol       = "tcp"
  from_port         = 9098
  to_port           = 9098
}

resource "aws_vpc_security_group_ingress_rule" "metrics" {
  security_group_id = aws_security_group.this.id
  description       = "Prometheus exporters of the brokers, from the network"
  cidr_ipv4         = var.client_cidr
  ip_protocol       = "tcp"
  from_port         = 11001
  to_port           = 11002
}

resource "aws_cloudwatch_log_group" "brokers" {
  name              = "/${var.prefix}/kafka"
  retention_in_days = var.log_days
}

resource "aws_msk_configuration" "this" {
  name           = "${var.prefix}-kafka"
  description    = "Three copies, two in sync, no topics by accident, transactions that survive a zone"
  kafka_versions = [var.kafka_version]

  server_properties = join("\n", [for name, value in local.server_properties : "${name}=${value}"])

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_msk_cluster" "this" {
  cluster_name           = "${var.prefix}-kafka"
  kafka_version          = var.kafka_version
  number_of_broker_nodes = var.brokers
  enhanced_monitoring    = "PER_BROKER"

  broker_node_group_info {
    instance_type   = var.instance_type
    client_subnets  = var.subnet_ids
    security_groups = [aws_security_group.this.id]

    storage_info {
      ebs_storage_info {
        volume_size = var.storage_gb
      }
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  client_authentication {
    unauthenticated = false

    sasl {
      iam   = true
      scram = false
    }
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = aws_kms_key.this.arn

    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  open_monitoring {
    prometheus {
      jmx_exporter {
        enabled_in_broker = true
      }
      node_exporter {
        enabled_in_broker = true
      }
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.brokers.name
      }
    }
  }

  lifecycle {
    prevent_destroy = true
    # The autoscaling below makes it larger
    ignore_changes = [broker_node_group_info[0].storage_info[0].ebs_storage_info[0].volume_size]

    precondition {
      condition     = var.brokers % 3 == 0
      error_message = "brokers (${var.brokers}) must be a multiple of 3: each zone gets as many."
    }

    precondition {
      condition     = local.replicas_per_broker <= local.most_per_broker
      error_message = "${length(local.topics)} topics with ${local.partitions} partitions in ${local.copies} copies are ${local.replicas_per_broker} on each of ${var.brokers} brokers; ${var.instance_type} takes ${local.most_per_broker}. Take more or larger brokers, fewer exchanges or partitions."
    }
  }
}

# Storage of MSK can only grow, so this can never lose anything
resource "aws_appautoscaling_target" "storage" {
  service_namespace  = "kafka"
  scalable_dimension = "kafka:broker-storage:VolumeSize"
  resource_id        = aws_msk_cluster.this.arn
  min_capacity       = 1
  max_capacity       = var.storage_max_gb
}

resource "aws_appautoscaling_policy" "storage" {
  name               = "${var.prefix}-kafka-storage"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.storage.service_namespace
  scalable_dimension = aws_appautoscaling_target.storage.scalable_dimension
  resource_id        = aws_appautoscaling_target.storage.resource_id

  target_tracking_scaling_policy_configuration {
    target_value     = 60
    disable_scale_in = true

    predefined_metric_specification {
      predefined_metric_type = "KafkaBrokerStorageUtilization"
    }
  }
}
