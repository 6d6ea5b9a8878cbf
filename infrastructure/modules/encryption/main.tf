# One key for all that the project keeps: streams, dead letters, logs and alarm messages.

resource "aws_kms_key" "data" {
  description             = "Streams, dead letters, logs and alarms of ${var.name}"
  enable_key_rotation     = true
  deletion_window_in_days = 30 # dead letters that outlive the project can be read until then
  policy                  = jsonencode(local.policy)
}

resource "aws_kms_alias" "data" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.data.key_id
}

locals {
  account = "arn:${var.place.partition}:iam::${var.place.account_id}:root"

  # In a key's policy, the resource * is this key.
  policy = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "TheAccountsPoliciesDecide"
        Effect    = "Allow"
        Principal = { AWS = local.account }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "LogsOfTheFunctions"
        Effect    = "Allow"
        Principal = { Service = "logs.${var.place.region}.${var.place.dns_suffix}" }
        Action    = ["kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey", "kms:DescribeKey"]
        Resource  = "*"
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = [for service in ["lambda", "kinesisfirehose"] : "arn:${var.place.partition}:logs:${var.place.region}:${var.place.account_id}:log-group:/aws/${service}/${var.name}-*"]
          }
        }
      },
      {
        Sid       = "AlarmsToTheEncryptedTopic"
        Effect    = "Allow"
        Principal = { Service = concat(["cloudwatch.amazonaws.com"], var.budget ? ["budgets.amazonaws.com"] : []) }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
        Resource  = "*"
        Condition = { StringEquals = { "aws:SourceAccount" = var.place.account_id } }
      },
    ]
  }
}
