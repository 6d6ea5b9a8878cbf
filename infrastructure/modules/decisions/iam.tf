# What the function's code calls beside what every consumer does, and the schedule's own role.

locals {
  policy_in_s3 = try(regex("^s3://(?P<bucket>[^/]+)/(?P<key>.+)$", var.settings.policy), null)
  via_dynamodb = "dynamodb.${var.place.region}.${var.place.dns_suffix}"

  table_permissions = [
    {
      Sid      = "ReadAndWriteItems"
      Effect   = "Allow"
      Action   = ["dynamodb:GetItem", "dynamodb:PutItem"]
      Resource = aws_dynamodb_table.items.arn
    },
    {
      Sid      = "FindDueItems"
      Effect   = "Allow"
      Action   = ["dynamodb:Query"]
      Resource = "${aws_dynamodb_table.items.arn}/index/${local.due_index}"
    },
    {
      # DynamoDB uses the key in the caller's name (DynamoDB developer guide, Encryption at rest: usage notes).
      Sid       = "EncryptAndDecryptItems"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey", "kms:ReEncryptFrom", "kms:ReEncryptTo"]
      Resource  = var.key_arn
      Condition = { StringEquals = { "kms:ViaService" = [local.via_dynamodb] } }
    },
  ]
  policy_permissions = [
    {
      Sid      = "ReadTheDecisionPolicy"
      Effect   = "Allow"
      Action   = ["s3:GetObject"]
      Resource = local.policy_in_s3 == null ? "" : "arn:${var.place.partition}:s3:::${local.policy_in_s3.bucket}/${local.policy_in_s3.key}"

      # A bucket's ARN has no account: once the bucket is gone, anybody may create one of its name.
      Condition = { StringEquals = { "s3:ResourceAccount" = var.place.account_id } }
    },
  ]
}

# An account's roles are those of all its regions.
resource "aws_iam_role" "tick" {
  name = "${local.function_name}-tick-${var.place.region}"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "scheduler.amazonaws.com" }
      Action    = "sts:AssumeRole"
      Condition = { StringEquals = { "aws:SourceAccount" = var.place.account_id } }
    }]
  })
}

resource "aws_iam_role_policy" "tick" {
  name = "tick"
  role = aws_iam_role.tick.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "InvokeTheFunction"
      Effect   = "Allow"
      Action   = ["lambda:InvokeFunction"]
      Resource = module.function.alias_arn
    }]
  })
}
