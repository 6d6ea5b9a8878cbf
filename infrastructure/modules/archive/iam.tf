# What Firehose calls in the role's name (Firehose developer guide, Controlling access).

locals {
  via_kinesis = "kinesis.${var.place.region}.${var.place.dns_suffix}"
  via_s3      = "s3.${var.place.region}.${var.place.dns_suffix}"
  catalog     = "arn:${var.place.partition}:glue:${var.place.region}:${var.place.account_id}"

  # A bucket's ARN has no account: once the bucket is gone, anybody may create one of its name.
  own_bucket = { StringEquals = { "s3:ResourceAccount" = var.place.account_id } }
}

# An account's roles are those of all its regions.
resource "aws_iam_role" "archive" {
  name = "${var.name}-archive-${var.place.region}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "firehose.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "archive" {
  name = "archive"
  role = aws_iam_role.archive.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadTheStreams"
        Effect   = "Allow"
        Action   = ["kinesis:DescribeStream", "kinesis:GetRecords", "kinesis:GetShardIterator", "kinesis:ListShards"]
        Resource = values(var.streams)
      },
      {
        Sid       = "FindTheBucket"
        Effect    = "Allow"
        Action    = ["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketMultipartUploads"]
        Resource  = local.bucket
        Condition = local.own_bucket
      },
      {
        Sid       = "WriteTheArchive"
        Effect    = "Allow"
        Action    = ["s3:AbortMultipartUpload", "s3:GetObject", "s3:PutObject"]
        Resource  = "${local.bucket}/${local.folder}*"
        Condition = local.own_bucket
      },
      {
        Sid      = "ReadTheColumns"
        Effect   = "Allow"
        Action   = ["glue:GetTable", "glue:GetTableVersion", "glue:GetTableVersions"]
        Resource = concat(["${local.catalog}:catalog", aws_glue_catalog_database.archive.arn], values(aws_glue_catalog_table.table)[*].arn)
      },
      {
        Sid       = "DecryptEvents"
        Effect    = "Allow"
        Action    = ["kms:Decrypt"]
        Resource  = var.key_arn
        Condition = { StringEquals = { "kms:ViaService" = [local.via_kinesis, local.via_s3] } }
      },
      {
        Sid       = "EncryptTheArchive"
        Effect    = "Allow"
        Action    = ["kms:GenerateDataKey"]
        Resource  = var.key_arn
        Condition = { StringEquals = { "kms:ViaService" = [local.via_s3] } }
      },
      {
        Sid      = "WriteLogs"
        Effect   = "Allow"
        Action   = ["logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.archive.arn}:log-stream:*"
      },
    ]
  })
}
