# Alarms of the delivery streams. Each is a section of docs/operate.md, named as its key here.

locals {
  alarms = {
    archive-late = {
      metric    = "DeliveryToS3.DataFreshness", statistic = "Maximum"
      threshold = var.buffer_seconds + 1800
      summary   = "rows wait for more than half an hour beyond the buffer to be written to the archive."
    }
    archive-failed = {
      metric    = "FailedConversion.Records", statistic = "Sum"
      threshold = 0
      summary   = "records could not be converted to Parquet; they are under _errors/ of the archive."
    }
  }

  of_each_table = { for pair in setproduct(keys(local.columns), keys(local.alarms)) :
    "${pair[0]}-${pair[1]}" => { table = pair[0], alarm = pair[1] }
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = local.of_each_table

  alarm_name          = "${aws_kinesis_firehose_delivery_stream.table[each.value.table].name}-${each.value.alarm}"
  alarm_description   = "${each.value.table}: ${local.alarms[each.value.alarm].summary} What to do: ${var.runbook}#${each.value.alarm}"
  namespace           = "AWS/Firehose"
  metric_name         = local.alarms[each.value.alarm].metric
  dimensions          = { DeliveryStreamName = aws_kinesis_firehose_delivery_stream.table[each.value.table].name }
  statistic           = local.alarms[each.value.alarm].statistic
  period              = 300
  evaluation_periods  = 1
  threshold           = local.alarms[each.value.alarm].threshold
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}
