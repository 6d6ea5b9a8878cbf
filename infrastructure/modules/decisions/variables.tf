variable "project" {
  description = "Prefix of names"
  type        = string
}

variable "place" {
  description = "Where: AWS partition, its DNS suffix, region and account"
  type        = object({ partition = string, dns_suffix = string, region = string, account_id = string })
}

variable "settings" {
  description = "The root's variable decisions"
  type = object({
    policy                     = string
    opens                      = bool
    environment                = map(string)
    memory_mb                  = number
    timeout_seconds            = number
    reserved_concurrency       = number
    batch_size                 = number
    batching_window_seconds    = number
    parallelization_factor     = number
    maximum_retry_attempts     = number
    maximum_record_age_seconds = number
    starting_position          = string
  })
}

variable "image" {
  description = "Container image by digest"
  type        = string
}

variable "architecture" {
  description = "The image's architecture"
  type        = string
}

variable "result_stream" {
  description = "Name, ARN and retention of the stream of the checks' results"
  type        = object({ name = string, arn = string, retention_hours = number })
}

variable "event_stream" {
  description = "Name, ARN and retention of the stream whose events open items"
  type        = object({ name = string, arn = string, retention_hours = number })
}

variable "decision_stream" {
  description = "Name and ARN of the stream of the decisions"
  type        = object({ name = string, arn = string })
}

variable "dead_letter_bucket" {
  description = "The dead-letter bucket's name"
  type        = string
}

variable "dead_letter_bucket_arn" {
  description = "The dead-letter bucket's ARN"
  type        = string
}

variable "key_arn" {
  description = "KMS key of streams, table, bucket and logs"
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

variable "tracing" {
  description = "Whether X-Ray traces invocations"
  type        = bool
}

variable "vpc" {
  description = "Subnets and security groups, or null"
  type        = object({ subnet_ids = set(string), security_group_ids = set(string) })
}
