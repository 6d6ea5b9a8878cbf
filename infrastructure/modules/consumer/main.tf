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
  description                    = "Predictions for ${var.event_stream.name}, on ${var.prediction_stream.name}"
  role                           = aws_iam_role.function.arn
  package_type                   = "Image"
  image_uri                      = var.image
  architectures                  = [var.architecture]
  memory_size                    = var.settings.memory_mb
  timeout                        = var.settings.timeout_seconds
  reserved_concurrent_executions = coalesce(var.settings.reserved_concurrency, -1)
  publish                        = true

  image_config {
    command = ["lambda_function.lambda_handler"]
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

resource "aws_lambda_event_source_mapping" "events" {
  event_source_arn                   = var.settings.enhanced_fan_out ? aws_kinesis_stream_consumer.fan_out[0].arn : var.event_stream.arn
  function_name                      = aws_lambda_alias.live.arn
  starting_position                  = var.settings.starting_position
  batch_size                         = var.settings.batch_size
  maximum_batching_window_in_seconds = var.settings.batching_window_seconds
  parallelization_factor             = var.settings.parallelization_factor
  maximum_retry_attempts             = var.settings.maximum_retry_attempts
  maximum_record_age_in_seconds      = var.settings.maximum_record_age_seconds
  bisect_batch_on_function_error     = true
  function_response_types            = ["ReportBatchItemFailures"]

  destination_config {
    on_failure {
      destination_arn = var.dead_letter_bucket_arn
    }
  }

  # What alarms on discarded and dropped events read.
  metrics_config {
    metrics = ["EventCount"]
  }

  dynamic "filter_criteria" {
    for_each = length(var.settings.filter_patterns) > 0 ? [var.settings.filter_patterns] : []
    content {
      dynamic "filter" {
        for_each = filter_criteria.value
        content {
          pattern = filter.value
        }
      }
    }
  }

  lifecycle {
    precondition {
      condition     = var.settings.maximum_record_age_seconds < var.retention_hours * 3600
      error_message = "consumers.maximum_record_age_seconds of ${var.name} is ${var.settings.maximum_record_age_seconds}; allowed is less than the event stream's retention, ${var.retention_hours * 3600} s: a discarded batch is kept only while the stream still has it."
    }
  }
}
