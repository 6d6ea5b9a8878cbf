# An event source mapping: it reads a stream and invokes a function's alias with batches.

resource "aws_lambda_event_source_mapping" "events" {
  event_source_arn                   = var.source_arn
  function_name                      = var.alias_arn
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
      condition     = var.settings.maximum_record_age_seconds < var.stream.retention_hours * 3600
      error_message = "${var.variable}.maximum_record_age_seconds of ${var.consumer} is ${var.settings.maximum_record_age_seconds}; allowed is less than the retention of ${var.stream.name}, ${var.stream.retention_hours * 3600} s: a discarded batch is kept only while the stream still has it."
    }
  }
}
