# One function on the event stream: its versions, its alias, and the event source mapping that invokes it.

locals {
  function_name = "${var.project}-${var.name}"
  log_level     = upper(lookup(var.settings.environment, "LOG_LEVEL", "INFO"))
  dead_letters  = "dead-letters/${var.name}"

  environment = merge(var.settings.environment, {
    PREDICTIONS_STREAM_NAME = var.prediction_stream.name
    DEAD_LETTERS            = "s3://${var.dead_letter_bucket}/${local.dead_letters}"
  }, var.settings.models == null ? {} : { MODELS = var.settings.models })
}

resource "aws_cloudwatch_log_group" "function" {
  #checkov:skip=CKV_AWS_338:a log line holds counts, no data of a record; the owner chooses for how long
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.key_arn
}

resource "aws_lambda_function" "function" {
  #checkov:skip=CKV_AWS_116:a dead-letter queue is for asynchronous invocations; the mapping has an on-failure destination
  #checkov:skip=CKV_AWS_173:the settings hold no secret, and Lambda encrypts them with its own key
  #checkov:skip=CKV_AWS_272:code signing is for zip archives; an image is named by its digest
  function_name                  = local.function_name
  description                    = var.description
  role                           = aws_iam_role.function.arn
  package_type                   = "Image"
  image_uri                      = var.image
  architectures                  = [var.architecture]
  memory_size                    = var.settings.memory_mb
  timeout                        = var.settings.timeout_seconds
  reserved_concurrent_executions = coalesce(var.settings.reserved_concurrency, -1)
  publish                        = true

  image_config {
    command = [var.handler]
  }

  environment {
    variables = local.environment
  }

  # The level is LOG_LEVEL's, which Lambda's own setting would otherwise override.
  logging_config {
    log_format            = "JSON"
    application_log_level = local.log_level
    system_log_level      = "INFO"
    log_group             = aws_cloudwatch_log_group.function.name
  }

  tracing_config {
    mode = var.tracing ? "Active" : "PassThrough"
  }

  dynamic "vpc_config" {
    for_each = var.vpc[*]
    content {
      subnet_ids         = vpc_config.value.subnet_ids
      security_group_ids = vpc_config.value.security_group_ids
    }
  }

  # Lambda checks what the role may do when the function is created.
  depends_on = [aws_iam_role_policy.function]

  lifecycle {
    precondition {
      condition     = var.image != null
      error_message = "image is not set; allowed is REPOSITORY@sha256:DIGEST. Without an image only the repository can be applied: -target=module.repository."
    }
  }
}

# A deployment moves the alias, in steps: Terraform creates it and leaves it where it is.
resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What the event source mapping invokes"
  function_name    = aws_lambda_function.function.function_name
  function_version = aws_lambda_function.function.version

  lifecycle {
    ignore_changes = [function_version, routing_config, description]
  }
}

resource "aws_kinesis_stream_consumer" "fan_out" {
  count      = var.settings.enhanced_fan_out ? 1 : 0
  name       = local.function_name
  stream_arn = var.event_stream.arn
}

module "mapping" {
  source = "../mapping"

  name                   = local.function_name
  variable               = var.variable
  consumer               = var.name
  settings               = var.settings
  stream                 = { name = var.event_stream.name, retention_hours = var.retention_hours }
  source_arn             = var.settings.enhanced_fan_out ? aws_kinesis_stream_consumer.fan_out[0].arn : var.event_stream.arn
  function_name          = aws_lambda_function.function.function_name
  only_invoker           = var.only_invoker
  alias_arn              = aws_lambda_alias.live.arn
  dead_letter_bucket_arn = var.dead_letter_bucket_arn
  alarm_topic_arn        = var.alarm_topic_arn
  runbook                = var.runbook
}

# Where they were before the mapping was a module: without these, a mapping would begin its stream again.
moved {
  from = aws_lambda_event_source_mapping.events
  to   = module.mapping.aws_lambda_event_source_mapping.events
}

moved {
  from = aws_cloudwatch_metric_alarm.alarm["discarded-batches"]
  to   = module.mapping.aws_cloudwatch_metric_alarm.alarm["discarded-batches"]
}

moved {
  from = aws_cloudwatch_metric_alarm.alarm["dropped-events"]
  to   = module.mapping.aws_cloudwatch_metric_alarm.alarm["dropped-events"]
}

moved {
  from = aws_cloudwatch_metric_alarm.not_reading
  to   = module.mapping.aws_cloudwatch_metric_alarm.not_reading
}
