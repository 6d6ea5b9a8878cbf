# Alarms beside those of every function. Each is a section of docs/operate.md, named as its key here.

locals {
  # What CloudWatch reads in the log line of each tick.
  ticks = {
    Ticks          = { pattern = "{ $.message = \"tick\" }", value = "1" }
    OverdueSeconds = { pattern = "{ $.message = \"tick\" && $.overdue_seconds > 0 }", value = "$.overdue_seconds" }
  }

  of_the_table = { TableName = aws_dynamodb_table.items.name }

  alarms = {
    overdue-decisions = {
      namespace = local.function_name, metric = "OverdueSeconds", dimensions = {}
      statistic = "Maximum", comparison = "GreaterThanThreshold", threshold = 300, datapoints = 2, of = 3, missing = "notBreaching"
      summary   = "Items have been due for more than five minutes: they are not decided, or their decision is not published."
    }
    no-ticks = {
      namespace = local.function_name, metric = "Ticks", dimensions = {}
      statistic = "Sum", comparison = "LessThanThreshold", threshold = 1, datapoints = 5, of = 5, missing = "breaching"
      summary   = "The schedule's ticks have not been handled for five minutes: items whose time is up are not decided."
    }
    table-throttles = {
      namespace = "AWS/DynamoDB", metric = "WriteThrottleEvents", dimensions = local.of_the_table
      statistic = "Sum", comparison = "GreaterThanThreshold", threshold = 0, datapoints = 3, of = 5, missing = "notBreaching"
      summary   = "DynamoDB refuses writes to the table of items."
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "ticks" {
  for_each = local.ticks

  name           = each.key
  log_group_name = module.function.log_group
  pattern        = each.value.pattern

  metric_transformation {
    namespace = local.function_name
    name      = each.key
    value     = each.value.value
    unit      = each.key == "Ticks" ? "Count" : "Seconds"
  }
}

resource "aws_cloudwatch_metric_alarm" "alarm" {
  for_each = local.alarms

  alarm_name          = "${local.function_name}-${each.key}"
  alarm_description   = "${each.value.summary} What to do: ${var.runbook}#${each.key}"
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = 60
  datapoints_to_alarm = each.value.datapoints
  evaluation_periods  = each.value.of
  threshold           = each.value.threshold
  comparison_operator = each.value.comparison
  treat_missing_data  = each.value.missing
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}
