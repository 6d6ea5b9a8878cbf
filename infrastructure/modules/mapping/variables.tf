variable "name" {
  description = "Prefix of the alarms' names: the function's name, for its first mapping"
  type        = string
}

variable "variable" {
  description = "The root's variable that has the settings, for errors"
  type        = string
}

variable "consumer" {
  description = "The consumer's name, for errors"
  type        = string
}

variable "settings" {
  description = "Of an element of the root's variable consumers, what a mapping needs"
  type = object({
    batch_size                 = number
    batching_window_seconds    = number
    parallelization_factor     = number
    maximum_retry_attempts     = number
    maximum_record_age_seconds = number
    starting_position          = string
    filter_patterns            = list(string)
  })
}

variable "stream" {
  description = "The stream's name, and how long it keeps records"
  type        = object({ name = string, retention_hours = number })
}

variable "source_arn" {
  description = "The ARN of the stream, or of a consumer of it that has enhanced fan-out"
  type        = string
}

variable "function_name" {
  description = "The function"
  type        = string
}

variable "only_invoker" {
  description = "Whether nothing else invokes the function; then an invocation shows that the mapping reads"
  type        = bool
}

variable "alias_arn" {
  description = "The alias that the mapping invokes"
  type        = string
}

variable "dead_letter_bucket_arn" {
  description = "The on-failure destination"
  type        = string
}

variable "alarm_topic_arn" {
  description = "SNS topic of the alarms"
  type        = string
}

variable "runbook" {
  description = "Where docs/operate.md can be read"
  type        = string
}
