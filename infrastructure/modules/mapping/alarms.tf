# Alarms of one mapping. Each is a section of docs/operate.md, named as its key here.

locals {
  of_the_mapping = { EventSourceMappingUUID = aws_lambda_event_source_mapping.events.uuid }

  alarms = {
    discarded-batches = {
      metric  = "OnFailureDestinationDeliveredEventCount"
      summary = "The event source mapping discarded batches; they are in its on-failure destination."
    }
    dropped-events = {
      metric  = "DroppedEventCount"
      summary = "The event source mapping dropped events without keeping them: they are only on the stream, until it expires them."
    }
  }
}

locals {
  read = merge(
    {
      incoming = { namespace = "AWS/Kinesis", name = "IncomingRecords", dimensions = { StreamName = var.stream.name } }
      polled   = { namespace = "AWS/Lambda", name = "PolledEventCount", dimensions = local.of_the_mapping }
    },
    var.only_invoker ? { invoked = { namespace = "AWS/Lambda", name = "Invocations", dimensions = { FunctionName = var.function_name } } } : {},
  )
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = local.alarms

  alarm_name          = "${var.name}-${each.key}"
  alarm_description   = "${each.value.summary} What to do: ${var.runbook}#${each.key}"
  namespace           = "AWS/Lambda"
  metric_name         = each.value.metric
  dimensions          = local.of_the_mapping
  statistic           = "Sum"
  period              = 60
  datapoints_to_alarm = 1
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}

# Every other alarm is silent while the mapping reads nothing: a function that is not invoked has no figures.
resource "aws_cloudwatch_metric_alarm" "not_reading" {
  alarm_name          = "${var.name}-not-reading"
  alarm_description   = "Records come, and for 15 minutes the mapping has read none. What to do: ${var.runbook}#not-reading"
  datapoints_to_alarm = 3
  evaluation_periods  = 3
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]

  metric_query {
    id          = "silent"
    expression  = format("IF(incoming > 0 AND FILL(polled, 0)%s < 1, 1, 0)", var.only_invoker ? " + FILL(invoked, 0)" : "")
    label       = "1 while records come and none is read"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.read

    content {
      id          = metric_query.key
      return_data = false

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        period      = 300
        stat        = "Sum"
      }
    }
  }
}
