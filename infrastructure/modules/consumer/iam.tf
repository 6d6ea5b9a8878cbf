# The function's role: what its code calls, and what Lambda calls in its name.

locals {
  # A pointer's bundles are beside it.
  model_location    = lookup(var.settings.environment, "MODEL_LOCATION", "")
  follows_a_pointer = endswith(local.model_location, ".json")
  model_folder      = replace(local.model_location, "//[^/]*[.]json$/", "")
  bundle            = try(regex("^s3://(?P<bucket>[^/]+)/?(?P<prefix>.*?)/*$", local.model_folder), null)

  via_kinesis = "kinesis.${var.place.region}.${var.place.dns_suffix}"
  via_s3      = "s3.${var.place.region}.${var.place.dns_suffix}"

  # A bucket's ARN has no account: once the bucket is gone, anybody may create one of its name.
  own_bucket = { StringEquals = { "s3:ResourceAccount" = var.place.account_id } }

  # The code.
  code = [
    {
      Sid      = "PublishPredictions"
      Effect   = "Allow"
      Action   = ["kinesis:PutRecords"]
      Resource = var.prediction_stream.arn
    },
    {
      Sid      = "WriteDeadLetters"
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = "${var.dead_letter_bucket_arn}/${local.dead_letters}/*"

      Condition = local.own_bucket
    },
  ]
  bundle_in_s3 = [
    {
      Sid      = "ReadTheModelBundle"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = local.bundle == null ? "" : join("/", compact(["arn:${var.place.partition}:s3:::${local.bundle.bucket}", local.bundle.prefix, "*"]))
    },
  ]
  encryption = [
    {
      Sid       = "EncryptPredictionsAndDeadLetters"
      Effect    = "Allow"
      Action    = ["kms:GenerateDataKey"]
      Resource  = var.key_arn
      Condition = { StringEquals = { "kms:ViaService" = [local.via_kinesis, local.via_s3] } }
    },
    {
      Sid       = "DecryptEvents"
      Effect    = "Allow"
      Action    = ["kms:Decrypt"]
      Resource  = var.key_arn
      Condition = { StringEquals = { "kms:ViaService" = [local.via_kinesis] } }
    },
  ]

  # Lambda: the event source mapping, the logs and, if they are on, the VPC and X-Ray.
  mapping = [
    {
      Sid      = "PollTheEventStream"
      Effect   = "Allow"
      Action   = ["kinesis:DescribeStream", "kinesis:DescribeStreamSummary", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
      Resource = concat([var.event_stream.arn], var.further_streams)
    },
    {
      Sid      = "KeepDiscardedBatches"
      Effect   = "Allow"
      Action   = ["s3:PutObject"]
      Resource = "${var.dead_letter_bucket_arn}/aws/lambda/*"

      Condition = local.own_bucket
    },
    {
      Sid      = "FindTheDestination"
      Effect   = "Allow"
      Action   = ["s3:ListBucket"]
      Resource = var.dead_letter_bucket_arn

      Condition = local.own_bucket
    },
    {
      Sid      = "WriteLogs"
      Effect   = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "${aws_cloudwatch_log_group.function.arn}:*"
    },
  ]
  fan_out = [
    {
      Sid      = "SubscribeToTheEventStream"
      Effect   = "Allow"
      Action   = ["kinesis:SubscribeToShard"]
      Resource = one(aws_kinesis_stream_consumer.fan_out[*].arn)
    },
  ]
  network = [
    {
      Sid      = "FindNetworkInterfaces"
      Effect   = "Allow"
      Action   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
      Resource = "*"
    },
    {
      Sid      = "ManageNetworkInterfaces"
      Effect   = "Allow"
      Action   = ["ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"]
      Resource = "arn:${var.place.partition}:ec2:${var.place.region}:${var.place.account_id}:*/*"
    },
  ]
  traces = [
    {
      Sid      = "SendTraces"
      Effect   = "Allow"
      Action   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      Resource = "*"
    },
  ]
}

# An account's roles are those of all its regions.
resource "aws_iam_role" "function" {
  name = "${local.function_name}-${var.place.region}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  name = "function"
  role = aws_iam_role.function.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      local.code,
      var.permissions,
      local.bundle == null ? [] : local.bundle_in_s3,
      local.encryption,
      local.mapping,
      var.settings.enhanced_fan_out ? local.fan_out : [],
      var.vpc == null ? [] : local.network,
      var.tracing ? local.traces : [],
    )
  })
}
