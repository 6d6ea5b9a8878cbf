variable "name" {
  description = "The consumer's name"
  type        = string
}

variable "place" {
  description = "Where: AWS partition, its DNS suffix, region and account"
  type        = object({ partition = string, dns_suffix = string, region = string, account_id = string })
}

variable "project" {
  description = "Prefix of names"
  type        = string
}

variable "settings" {
  description = "An element of the root's variable consumers"
  type = object({
    models                     = string
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
    enhanced_fan_out           = bool
    filter_patterns            = list(string)
  })
}

variable "variable" {
  description = "The root's variable that has the settings, for errors"
  type        = string
  default     = "consumers"
}

variable "description" {
  description = "The function's description"
  type        = string
}

variable "handler" {
  description = "The image's command"
  type        = string
  default     = "lambda_function.lambda_handler"
}

variable "permissions" {
  description = "Statements of the role's policy beside those of every consumer"
  type        = any
  default     = []
}

variable "only_invoker" {
  description = "Whether nothing but the mapping invokes the function"
  type        = bool
  default     = true
}

variable "further_streams" {
  description = "ARNs of streams that other mappings read for the function"
  type        = list(string)
  default     = []
}

variable "further_retention_hours" {
  description = "How long those streams keep records"
  type        = list(number)
  default     = []
}

variable "image" {
  description = "Container image by digest"
  type        = string
}

variable "architecture" {
  description = "The image's architecture"
  type        = string
}

variable "event_stream" {
  description = "Name and ARN of the stream of events"
  type        = object({ name = string, arn = string })
}

variable "prediction_stream" {
  description = "Name and ARN of the stream of predictions"
  type        = object({ name = string, arn = string })
}

variable "retention_hours" {
  description = "How long the event stream keeps records"
  type        = number
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
  description = "KMS key of streams, bucket and logs"
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
