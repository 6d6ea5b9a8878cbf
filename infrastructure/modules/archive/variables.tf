variable "name" {
  description = "Prefix of names"
  type        = string
}

variable "place" {
  description = "Where: AWS partition, its DNS suffix, region and account"
  type        = object({ partition = string, dns_suffix = string, region = string, account_id = string })
}

variable "location" {
  description = "s3://bucket/prefix"
  type        = string
}

variable "buffer_seconds" {
  description = "How long rows wait to be written"
  type        = number
}

variable "streams" {
  description = "The stream that each table is made from, by table: its ARN"
  type        = object({ ride_events = string, ride_predictions = string })
}

variable "key_arn" {
  description = "KMS key of streams, files and logs"
  type        = string
}

variable "log_retention_days" {
  description = "How long logs are kept"
  type        = number
}

variable "alarm_topic_arn" {
  description = "SNS topic of the alarms"
  type        = string
}

variable "runbook" {
  description = "Where docs/operate.md can be read"
  type        = string
}
