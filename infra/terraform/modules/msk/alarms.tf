locals {
  # One controller of a quorum is the active one; every partition has a leader, and copies in sync
  cluster_alarms = {
    no-controller = {
      metric    = "ActiveControllerCount"
      statistic = "Maximum"
      operator  = "LessThanThreshold"
      threshold = 1
      about     = "No controller: topics and leaders cannot change."
    }
    offline-partitions = {
      metric    = "OfflinePartitionsCount"
      statistic = "Maximum"
      operator  = "GreaterThanThreshold"
      threshold = 0
      about     = "Partitions without a leader: their symbols stand still."
    }
  }

  broker_alarms = {
    disk = {
      metric    = "KafkaDataLogsDiskUsed"
      statistic = "Maximum"
      threshold = 80
      about     = "A broker's disk is fuller than the autoscaling should let it be."
    }
    under-min-isr = {
      metric    = "UnderMinIsrPartitionCount"
      statistic = "Maximum"
      threshold = 0
      about     = "Partitions that take no writes: fewer than two copies are in sync."
    }
    processor = {
      metric    = "CpuUser"
      statistic = "Average"
      threshold = 60
      about     = "A broker is too busy to take over another's share."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "cluster" {
  for_each = local.cluster_alarms

  alarm_name          = "${var.prefix}-kafka-${each.key}"
  alarm_description   = each.value.about
  namespace           = "AWS/Kafka"
  metric_name         = each.value.metric
  dimensions          = { "Cluster Name" = aws_msk_cluster.this.cluster_name }
  statistic           = each.value.statistic
  comparison_operator = each.value.operator
  threshold           = each.value.threshold
  period              = 60
  evaluation_periods  = 3
  treat_missing_data  = "breaching"
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}

resource "aws_cloudwatch_metric_alarm" "broker" {
  for_each = { for pair in setproduct(keys(local.broker_alarms), range(1, var.brokers + 1)) :
  "${pair[0]}-${pair[1]}" => { alarm = local.broker_alarms[pair[0]], broker = pair[1] } }

  alarm_name        = "${var.prefix}-kafka-${each.key}"
  alarm_description = each.value.alarm.about
  namespace         = "AWS/Kafka"
  metric_name       = each.value.alarm.metric
  dimensions = {
    "Cluster Name" = aws_msk_cluster.this.cluster_name
    "Broker ID"    = tostring(each.value.broker)
  }
  statistic           = each.value.alarm.statistic
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.alarm.threshold
  period              = 300
  evaluation_periods  = 2
  alarm_actions       = var.alarm_topic_arns
  ok_actions          = var.alarm_topic_arns
}
