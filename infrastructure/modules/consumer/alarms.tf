# Alarms of one function. Each is a section of docs/operate.md, named as its key here.

locals {
  of_the_function = { FunctionName = aws_lambda_function.function.function_name }

  # What CloudWatch counts in the function's log line of each batch. The metrics of the model have the
  # model's name as their dimension, which two functions may share: these are this function's alone.
  counted = {
    DeadLettered = "dead_lettered"
    Failed       = "failed"
  }

  # Only a function that follows a pointer looks for another model.
  alarms = { for name, alarm in local.every_alarm : name => alarm if name != "model-refresh-failed" || local.follows_a_pointer }

  every_alarm = {
    errors = {
      namespace  = "AWS/Lambda", metric = "Errors", dimensions = local.of_the_function
      statistic  = "Sum", threshold = 0, datapoints = 1, of = 1
      rolls_back = true
      summary    = "The function crashes, times out or cannot start. A record that cannot be processed is no error."
    }
    iterator-age = {
      namespace  = "AWS/Lambda", metric = "IteratorAge", dimensions = local.of_the_function
      statistic  = "Maximum", threshold = 1000 * (var.settings.batching_window_seconds + 300), datapoints = 2, of = 3
      rolls_back = true
      summary    = "Events wait for more than five minutes beyond the batching window: the function does not keep up."
    }
    near-retention = {
      namespace  = "AWS/Lambda", metric = "IteratorAge", dimensions = local.of_the_function
      statistic  = "Maximum", threshold = 1000 * 3600 * min(var.retention_hours, var.further_retention_hours...) / 2, datapoints = 1, of = 1
      rolls_back = false
      summary    = "Events are older than half of the stream's retention: soon they are lost."
    }
    throttles = {
      namespace  = "AWS/Lambda", metric = "Throttles", dimensions = local.of_the_function
      statistic  = "Sum", threshold = 0, datapoints = 3, of = 5
      rolls_back = false
      summary    = "Lambda has no concurrency left for the function."
    }
    duration = {
      namespace  = "AWS/Lambda", metric = "Duration", dimensions = local.of_the_function
      statistic  = "Maximum", threshold = 800 * var.settings.timeout_seconds, datapoints = 2, of = 3
      rolls_back = false
      summary    = "Batches take more than 80 % of the timeout."
    }
    dead-letters = {
      namespace  = local.function_name, metric = "DeadLettered", dimensions = {}
      statistic  = "Sum", threshold = 0, datapoints = 1, of = 1
      rolls_back = true
      summary    = "Events that can never succeed were written to the dead letters."
    }
    failed-events = {
      namespace  = local.function_name, metric = "Failed", dimensions = {}
      statistic  = "Sum", threshold = 0, datapoints = 3, of = 5
      rolls_back = false
      summary    = "The function reports batch item failures, which Lambda retries."
    }
    model-refresh-failed = {
      namespace  = local.function_name, metric = "ModelRefreshFailed", dimensions = {}
      statistic  = "Sum", threshold = 0, datapoints = 3, of = 5
      rolls_back = false
      summary    = "The function cannot take the model that its pointer names into use; the one that it has goes on."
    }
  }
}

resource "aws_cloudwatch_log_metric_filter" "counted" {
  for_each = local.counted

  name           = each.key
  log_group_name = aws_cloudwatch_log_group.function.name
  pattern        = "{ $.message = \"batch\" && $.${each.value} > 0 }"

  metric_transformation {
    namespace = local.function_name
    name      = each.key
    value     = "$.${each.value}"
    unit      = "Count"
  }
}

# It is in the line of the batch's metrics, as a list: each line with one counts once.
resource "aws_cloudwatch_log_metric_filter" "model_refresh_failed" {
  count = local.follows_a_pointer ? 1 : 0

  name           = "ModelRefreshFailed"
  log_group_name = aws_cloudwatch_log_group.function.name
  pattern        = "{ $.ModelRefreshFailed[0] > 0 }"

  metric_transformation {
    namespace = local.function_name
    name      = "ModelRefreshFailed"
    value     = "1"
    unit      = "Count"
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
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [var.alarm_topic_arn]
  ok_actions          = [var.alarm_topic_arn]
}
