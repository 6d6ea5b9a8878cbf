variable "name" {
  description = "The stream's name"
  type        = string
}

variable "mode" {
  description = "ON_DEMAND or PROVISIONED"
  type        = string
}

variable "shards" {
  description = "Shards of a PROVISIONED stream; null if ON_DEMAND"
  type        = number
}

variable "retention_hours" {
  description = "How long records are kept"
  type        = number
}

variable "key_arn" {
  description = "KMS key"
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
