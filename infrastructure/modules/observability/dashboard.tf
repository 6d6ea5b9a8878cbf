locals {
  # One row a subject, two widgets a row; each line of a widget is [namespace, metric, dimension, value, ..., options].
  minute = { region = var.place.region, period = 60, view = "timeSeries" }
  lambda = { for metric in ["Invocations", "Errors", "Throttles", "Duration", "IteratorAge", "ConcurrentExecutions"] :
    metric => [for function in var.functions : ["AWS/Lambda", metric, "FunctionName", function, { label = function }]]
  }

  widgets = [
    {
      title = "Rate: records a minute on both streams", stat = "Sum"
      metrics = [
        ["AWS/Kinesis", "IncomingRecords", "StreamName", var.event_stream, { label = "events" }],
        ["AWS/Kinesis", "IncomingRecords", "StreamName", var.prediction_stream, { label = "predictions" }],
      ]
    },
    {
      title   = "Rate: what the models did with each event", stat = "Sum"
      metrics = [for metric in ["Received", "Published", "Skipped", "DeadLettered", "Failed", "ModelUnavailable", "ModelRefreshFailed"] : [{ expression = "SUM(SEARCH('{${var.metrics_namespace},service} MetricName=\"${metric}\"', 'Sum', 60))", label = metric, id = lower(metric) }]]
    },
    {
      title   = "Latency of a batch, 99th percentile", stat = "p99"
      metrics = [[{ expression = "SEARCH('{${var.metrics_namespace},service} MetricName=\"BatchLatency\"', 'p99', 60)", id = "latency" }]]
    },
    {
      title   = "Duration of an invocation, maximum", stat = "Maximum"
      metrics = local.lambda["Duration"]
    },
    {
      title   = "Iterator age, maximum", stat = "Maximum"
      metrics = local.lambda["IteratorAge"]
    },
    {
      title   = "Age of events when their prediction is published, 99th percentile", stat = "p99"
      metrics = [[{ expression = "SEARCH('{${var.metrics_namespace},service} MetricName=\"ArrivalAge\"', 'p99', 60)", id = "age" }]]
    },
    {
      title   = "Dead letters and failed events", stat = "Sum"
      metrics = flatten([for function in var.functions : [for metric in ["DeadLettered", "Failed"] : { line = [function, metric, { label = "${function} ${metric}" }] }]])[*].line
    },
    {
      title   = "Discarded and dropped by the event source mappings", stat = "Sum"
      metrics = [for metric in ["OnFailureDestinationDeliveredEventCount", "DroppedEventCount"] : [{ expression = "SEARCH('{AWS/Lambda,EventSourceMappingUUID} MetricName=\"${metric}\"', 'Sum', 60)", id = lower(metric) }]]
    },
    {
      title   = "Errors and throttles", stat = "Sum"
      metrics = concat(local.lambda["Errors"], local.lambda["Throttles"])
    },
    {
      title   = "Versions that serve", stat = "Sum"
      metrics = [for index, function in var.functions : [{ expression = "SEARCH('{AWS/Lambda,ExecutedVersion,FunctionName,Resource} MetricName=\"Invocations\" Resource=\"${function}:live\"', 'Sum', 60)", id = "version${index}" }]]
    },
    {
      title = "Throughput exceeded", stat = "Sum"
      metrics = [for pair in setproduct([var.event_stream, var.prediction_stream], ["WriteProvisionedThroughputExceeded", "ReadProvisionedThroughputExceeded"]) :
        ["AWS/Kinesis", pair[1], "StreamName", pair[0], { label = "${pair[0]} ${pair[1]}" }]
      ]
    },
    {
      title = "Cost drivers: invocations, and bytes in and out of the event stream", stat = "Sum"
      metrics = concat(local.lambda["Invocations"], [for metric in ["IncomingBytes", "GetRecords.Bytes"] :
        ["AWS/Kinesis", metric, "StreamName", var.event_stream, { label = metric, yAxis = "right" }]
      ])
    },
  ]
}

# An account's dashboards are those of all its regions: one of the same name would be overwritten.
resource "aws_cloudwatch_dashboard" "overview" {
  dashboard_name = "${var.name}-${var.place.region}"

  dashboard_body = jsonencode({
    widgets = [for index, widget in local.widgets : {
      type       = "metric"
      x          = 12 * (index % 2)
      y          = 6 * floor(index / 2)
      width      = 12
      height     = 6
      properties = merge(local.minute, widget)
    }]
  })
}
