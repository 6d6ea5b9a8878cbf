# A decision service: its table, its function with one mapping or two, and the schedule that tells it that time is up.

locals {
  function_name = "${var.project}-decisions"

  # The parameters of CreateTable in streaming/decisions/decision_table.py; a test compares the two.
  due_index = "due"

  settings = merge(var.settings, {
    models           = null
    enhanced_fan_out = false
    filter_patterns  = []
    environment = merge(var.settings.environment, {
      DECISION_POLICY = var.settings.policy
      DECISION_TABLE  = aws_dynamodb_table.items.name
    })
  })
}

resource "aws_dynamodb_table" "items" {
  name         = local.function_name
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "item"

  attribute {
    name = "item"
    type = "S"
  }

  attribute {
    name = "due_bucket"
    type = "S"
  }

  attribute {
    name = "due_at"
    type = "N"
  }

  # Sparse: only items that the schedule has to look at have its keys.
  global_secondary_index {
    name            = local.due_index
    hash_key        = "due_bucket"
    range_key       = "due_at"
    projection_type = "KEYS_ONLY"
  }

  ttl {
    enabled        = true
    attribute_name = "expires_at"
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.key_arn
  }
}

module "function" {
  source = "../consumer"

  name                    = "decisions"
  project                 = var.project
  place                   = var.place
  variable                = "decisions"
  description             = "Decisions on the results in ${var.result_stream.name}, on ${var.decision_stream.name}"
  handler                 = "streaming.decisions.decision_function.handler"
  settings                = local.settings
  permissions             = concat(local.table_permissions, local.policy_in_s3 == null ? [] : local.policy_permissions)
  only_invoker            = false
  further_streams         = var.settings.opens ? [var.event_stream.arn] : []
  further_retention_hours = var.settings.opens ? [var.event_stream.retention_hours] : []
  image                   = var.image
  architecture            = var.architecture
  event_stream            = { name = var.result_stream.name, arn = var.result_stream.arn }
  prediction_stream       = var.decision_stream
  retention_hours         = var.result_stream.retention_hours
  dead_letter_bucket      = var.dead_letter_bucket
  dead_letter_bucket_arn  = var.dead_letter_bucket_arn
  key_arn                 = var.key_arn
  log_retention_days      = var.log_retention_days
  alarm_topic_arn         = var.alarm_topic_arn
  runbook                 = var.runbook
  tracing                 = var.tracing
  vpc                     = var.vpc
}

# With `opens` in the policy, an item's own event starts its deadline: silence of every check is noticed.
module "openings" {
  source = "../mapping"
  count  = var.settings.opens ? 1 : 0

  name                   = "${local.function_name}-openings"
  variable               = "decisions"
  consumer               = "decisions"
  settings               = local.settings
  stream                 = { name = var.event_stream.name, retention_hours = var.event_stream.retention_hours }
  source_arn             = var.event_stream.arn
  function_name          = module.function.function_name
  only_invoker           = false
  alias_arn              = module.function.alias_arn
  dead_letter_bucket_arn = var.dead_letter_bucket_arn
  alarm_topic_arn        = var.alarm_topic_arn
  runbook                = var.runbook
}

# EventBridge Scheduler ticks once a minute at the most often, and invokes asynchronously.
resource "aws_scheduler_schedule" "tick" {
  #checkov:skip=CKV_AWS_297:what it holds is the tick below, the same for everybody
  name                = local.function_name
  description         = "Tells ${local.function_name} to look for items whose time is up"
  schedule_expression = "rate(1 minute)"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = module.function.alias_arn
    role_arn = aws_iam_role.tick.arn
    input    = jsonencode({ "detail-type" = "Scheduled Event" })

    # A tick holds nothing, and the next one does the same work: none is kept for later, in no queue either.
    retry_policy {
      maximum_event_age_in_seconds = 60
      maximum_retry_attempts       = 1
    }
  }
}

# Lambda's own retries of a tick: none, for the same reason. Else it retries twice, for up to six hours.
resource "aws_lambda_function_event_invoke_config" "tick" {
  function_name                = module.function.function_name
  qualifier                    = module.function.alias
  maximum_event_age_in_seconds = 60
  maximum_retry_attempts       = 0
}
