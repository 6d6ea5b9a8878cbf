# Where alarms go, the one alarm that is the account's, and the budget. The dashboard is beside this file.

locals {
  publishers = concat(["cloudwatch.amazonaws.com"], var.monthly_budget_usd == null ? [] : ["budgets.amazonaws.com"])
}

resource "aws_sns_topic" "alarms" {
  name              = "${var.name}-alarms"
  kms_master_key_id = var.key_arn
}

resource "aws_sns_topic_policy" "alarms" {
  arn = aws_sns_topic.alarms.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Alarms"
      Effect    = "Allow"
      Principal = { Service = local.publishers }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.alarms.arn
      Condition = { StringEquals = { "aws:SourceAccount" = var.place.account_id } }
    }]
  })
}

resource "aws_sns_topic_subscription" "email" {
  for_each = var.alarm_emails

  topic_arn = aws_sns_topic.alarms.arn
  protocol  = "email"
  endpoint  = each.value
}

# All functions of an account and region share its concurrency, others' too.
resource "aws_cloudwatch_metric_alarm" "concurrent_executions" {
  alarm_name          = "${var.name}-concurrent-executions"
  alarm_description   = "The account's functions use more than 80 % of its concurrent executions. What to do: ${var.runbook}#concurrent-executions"
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  threshold           = 80
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.alarms.arn]
  ok_actions          = [aws_sns_topic.alarms.arn]

  metric_query {
    id          = "share"
    expression  = "100 * used / SERVICE_QUOTA(used)"
    label       = "Percent of the quota"
    return_data = true
  }

  metric_query {
    id          = "used"
    return_data = false

    metric {
      namespace   = "AWS/Usage"
      metric_name = "ResourceCount"
      period      = 60
      stat        = "Maximum"
      dimensions  = { Service = "Lambda", Type = "Resource", Resource = "ConcurrentExecutions", Class = "None" }
    }
  }
}

resource "aws_budgets_budget" "month" {
  count        = var.monthly_budget_usd == null ? 0 : 1
  name         = "${var.name}-${var.place.region}-month"
  budget_type  = "COST"
  time_unit    = "MONTHLY"
  limit_unit   = "USD"
  limit_amount = tostring(var.monthly_budget_usd)

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }
    content {
      notification_type         = notification.key
      threshold                 = notification.value
      threshold_type            = "PERCENTAGE"
      comparison_operator       = "GREATER_THAN"
      subscriber_sns_topic_arns = [aws_sns_topic.alarms.arn]
    }
  }

  depends_on = [aws_sns_topic_policy.alarms]
}
