resource "aws_kinesis_stream" "stream" {
  name             = var.name
  shard_count      = var.shards
  retention_period = var.retention_hours
  encryption_type  = "KMS"
  kms_key_id       = var.key_arn

  stream_mode_details {
    stream_mode = var.mode
  }
}

locals {
  alarms = {
    write-throughput-exceeded = {
      metric  = "WriteProvisionedThroughputExceeded"
      summary = "${var.name}: Kinesis refused records because a shard's write limit was exceeded."
    }
    read-throughput-exceeded = {
      metric  = "ReadProvisionedThroughputExceeded"
      summary = "${var.name}: Kinesis refused reads because a shard's read limit was exceeded."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.summary} What to do: ${var.runbook}#${each.key}"
  namespace           = "AWS/Kinesis"
  metric_name         = each.value.metric
  dimensions          = { StreamName = aws_kinesis_stream.stream.name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}
